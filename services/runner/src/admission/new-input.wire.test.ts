import { randomUUID } from "node:crypto";
import { type Message, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { eventually, gate, type Gate } from "@lanekeeper/testing";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { type Behaviour, end } from "../testing/model-double.ts";
import { applyMain, Attached, said, turnFor, user } from "../testing/requests.ts";
import type { Replica, World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();
let world: World;
let replica: Replica;
let answers: Gate;

beforeAll(async () => {
  world = await worlds.start();
  replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = repeatWhenOpen;
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

/** Each answer is another, so that each names its turn. */
const repeatWhenOpen: Behaviour = async function* ({ messages }) {
  await answers.opened;
  const last = messages.at(-1);
  yield { type: "text", text: `re ${messages.length}: ${last === undefined ? "" : textOf(last)}` };
  yield end();
};

interface Step {
  /** Whether the client has heard every answer before it goes on; if not, it taps again. */
  readonly hears: boolean;
  readonly word: number;
}

/** What a client of one kind shows: of what was said so far, and how it repeats answers. */
interface Kind {
  readonly shows: (history: readonly Message[]) => Message[];
  readonly repeats: (answer: string) => string;
}

const EVERYTHING: Kind = { shows: (history) => [...history], repeats: (answer) => answer };
const LAST_ONLY: Kind = { ...EVERYTHING, shows: (history) => history.slice(-1) };
const EDITED: Kind = { ...EVERYTHING, repeats: (answer) => `${answer} (edited)` };

/** Has a conversation over the wire; gives what the session holds as the person's words. */
async function converse(steps: readonly Step[], kind: Kind): Promise<string[]> {
  const key = `agent:main:${randomUUID()}`;
  const history: Message[] = [];
  let waiting: Attached[] = [];
  answers = gate();
  for (const { hears, word } of steps) {
    if (hears) {
      history.push(...(await heard(waiting, kind)));
      waiting = [];
      answers = gate();
    }
    history.push(user(`w${word}`));
    const submit = turnFor(world, "", { key, messages: kind.shows(history) });
    const attached = new Attached(replica, { submit });
    await eventually(() => attached.turnId !== "", { what: "the turn is accepted" });
    waiting.push(attached);
  }
  await heard(waiting, kind);
  const { messages } = await replica.client.listMessages({
    session: { case: "sessionKey", value: key },
  });
  const spoken = messages.flatMap(({ message }) => (message?.role === Role.USER ? [message] : []));
  return spoken.map(textOf);
}

async function heard(waiting: readonly Attached[], { repeats }: Kind): Promise<Message[]> {
  answers.open();
  const ended = await Promise.all(waiting.map((attached) => attached.ended));
  return ended.map(({ reply }) =>
    said(Role.ASSISTANT, repeats(reply === undefined ? "" : textOf(reply))),
  );
}

const steps = fc.array(fc.record({ hears: fc.boolean(), word: fc.nat(2) }), {
  minLength: 1,
  maxLength: 6,
});
/** Who edits answers and repeats itself cannot be told from one who resends. */
const distinct = steps.map((list) => list.map((step, word) => ({ ...step, word })));

test.each([
  ["resends everything", EVERYTHING, steps],
  ["sends its last message alone", LAST_ONLY, steps],
  ["edits the answers that it resends", EDITED, distinct],
] as const)(
  "a client that %s, however it taps: none lost, none twice",
  async (_what, kind, any) => {
    await fc.assert(
      fc.asyncProperty(any, async (list) => {
        expect(await converse(list, kind)).toEqual(list.map(({ word }) => `w${word}`));
      }),
      { numRuns: 15 },
    );
  },
);
