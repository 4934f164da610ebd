import { type Message, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import fc from "fast-check";
import { expect, test } from "vitest";
import { textMessage } from "./context.ts";
import { textOf } from "./message-text.ts";
import { type KnownTurn, newInput } from "./new-input.ts";

/** What a client of one kind does next. */
interface Step {
  /** Whether the answers to all that was sent so far were heard before the next message. */
  readonly hears: boolean;
  readonly word: number;
}

type ShowsHistory = "all" | "last";

interface Sent {
  readonly input: readonly Message[];
  answered: boolean;
  readonly reply: string;
}

/** Runs a conversation and gives what stands in the transcript as the person's words. */
function converse(
  steps: readonly Step[],
  shows: ShowsHistory,
  edits: (text: string) => string,
): string[] {
  const lane: Sent[] = [];
  const shown: Message[] = [];
  for (const [index, { hears, word }] of steps.entries()) {
    if (hears) hear(lane, shown, edits);
    const message = textMessage(Role.USER, `w${word}`);
    shown.push(message);
    const request = shows === "all" ? shown : [message];
    const { input } = newInput(request, {
      turns: lane.map(known),
      systemMessages: [],
      isEmpty: lane.length === 0,
    });
    lane.push({ input, answered: false, reply: `answer ${index}` });
  }
  return lane.flatMap(({ input }) => input.map(textOf));
}

/** The lane answers what waits, and the client shows the answers where it heard them. */
function hear(lane: readonly Sent[], shown: Message[], edits: (text: string) => string): void {
  for (const turn of lane) {
    if (turn.answered) continue;
    turn.answered = true;
    shown.push(textMessage(Role.ASSISTANT, edits(turn.reply)));
  }
}

function known({ input, answered, reply }: Sent): KnownTurn {
  return { input, replyText: answered ? reply : undefined, isFinished: answered };
}

const steps = (words: fc.Arbitrary<number>) =>
  fc.array(fc.record({ hears: fc.boolean(), word: words }), { minLength: 1, maxLength: 12 });

const said = (list: readonly Step[]): string[] => list.map(({ word }) => `w${word}`);

test("a client that shows only its last message: none lost, none twice", () => {
  fc.assert(
    fc.property(steps(fc.nat(2)), (list) => {
      expect(converse(list, "last", (text) => text)).toEqual(said(list));
    }),
  );
});

test("a client that resends everything, however it taps: none lost, none twice", () => {
  fc.assert(
    fc.property(steps(fc.nat(2)), (list) => {
      expect(converse(list, "all", (text) => text)).toEqual(said(list));
    }),
    { numRuns: 500 },
  );
});

test("a client that edits the answers it resends, and never says the same twice", () => {
  const distinct = steps(fc.nat()).map((list) =>
    list.map((step, index) => ({ ...step, word: index })),
  );
  fc.assert(
    fc.property(distinct, (list) => {
      expect(converse(list, "all", (text) => `${text} (edited)`)).toEqual(said(list));
    }),
  );
});

test("the last message is always the input's last", () => {
  const text = fc.constantFrom("x", "y");
  const role = fc.constantFrom(Role.USER, Role.ASSISTANT, Role.SYSTEM, Role.TOOL);
  const message = fc.tuple(role, text).map(([who, what]) => textMessage(who, what));
  const list = fc.array(message, { minLength: 1, maxLength: 8 });
  const turn = fc.record({
    input: list,
    replyText: fc.option(text, { nil: undefined }),
    isFinished: fc.boolean(),
  });
  const known = fc.record({
    turns: fc.array(turn, { maxLength: 5 }),
    systemMessages: list,
    isEmpty: fc.boolean(),
  });
  fc.assert(
    fc.property(list, known, (request, state) => {
      const { input, seed } = newInput(request, state);
      expect(input.at(-1)).toBe(request.at(-1));
      if (!state.isEmpty) expect(seed).toEqual([]);
      for (const one of input) expect(request).toContain(one);
    }),
  );
});
