import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Message,
  MessageSchema,
  Role,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { Disposition, OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textMessage } from "../domain/context.ts";
import { textOf } from "../domain/message-text.ts";
import { LIMITS } from "../limits.ts";
import { ModelError } from "../models/model-error.ts";
import { messageBytes } from "../store/codec.ts";
import { readPinned, saveMemory } from "../store/answering/memories.ts";
import { seeSession } from "../store/answering/sessions.ts";
import { type Gate, gate } from "../testing/gate.ts";
import { end, heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, said, TENANT, turnFor, user } from "../testing/requests.ts";
import type { Replica, World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import { readHistory } from "./history.ts";
import { partsOf } from "../outbox/relay.ts";

const worlds = testWorlds();

async function busyLane(): Promise<{
  readonly world: World;
  readonly replica: Replica;
  readonly held: Gate;
  readonly active: Attached;
}> {
  const world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const active = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => active.kinds.includes("textDelta"));
  return { world, replica, held, active };
}

test.concurrent("a turn is handed so many messages; one more waits as a turn of its own", async () => {
  const { world, replica, held, active } = await busyLane();
  await using _ = world;
  const submit = () => turnFor(world, "and", { onConflict: OnConflict.STEER });
  for (let n = 0; n < LIMITS.steersPerTurn; n++) {
    const { disposition } = await replica.client.submitTurn(submit());
    expect(disposition).toBe(Disposition.STEERED);
  }
  const last = await replica.client.submitTurn(submit());
  expect(last).toMatchObject({ disposition: Disposition.QUEUED, position: 1 });
  held.open();
  await active.ended;
  expect((await new Attached(replica, { turnId: last.turnId }).ended).intoTurnId).toBe("");
});

test.concurrent("a turn collects so many messages; what would be more waits as a turn of its own", async () => {
  const { world, replica, held, active } = await busyLane();
  await using _ = world;
  const submit = (count: number) =>
    turnFor(world, `${count}`, {
      ...{ onConflict: OnConflict.COALESCE, debounce: durationFromMs(LIMITS.maxDebounceMs) },
      messages: Array.from({ length: count }, (_, n) => user(`${count} ${n}`)),
    });
  const host = await replica.client.submitTurn(submit(600));
  const late = await replica.client.submitTurn(submit(401));
  expect(late.disposition).toBe(Disposition.QUEUED);
  await replica.client.cancelTurn({ turnId: late.turnId });
  const joins = await replica.client.submitTurn(submit(400));
  expect(joins).toMatchObject({ disposition: Disposition.COALESCED, intoTurnId: host.turnId });
  held.open();
  await active.ended;
});

test.concurrent("and so many bytes of them, as many as one request may bring", async () => {
  const { world, replica, held, active } = await busyLane();
  await using _ = world;
  const submit = (bytes: number) =>
    turnFor(world, `${bytes}`, {
      ...{ onConflict: OnConflict.COALESCE, debounce: durationFromMs(LIMITS.maxDebounceMs) },
      messages: [user("x".repeat(bytes))],
    });
  const half = LIMITS.inputBytesPerTurn / 2;
  const host = await replica.client.submitTurn(submit(half));
  const late = await replica.client.submitTurn(submit(half + 1));
  expect(late.disposition).toBe(Disposition.QUEUED);
  await replica.client.cancelTurn({ turnId: late.turnId });
  const joins = await replica.client.submitTurn(submit(half - 100));
  expect(joins).toMatchObject({ disposition: Disposition.COALESCED, intoTurnId: host.turnId });
  held.open();
  await active.ended;
});

test.concurrent("an agent keeps so many memories, and of the pinned ones the newest stand in its contexts", async () => {
  const { world, replica, held, active } = await busyLane();
  await using _ = world;
  const { turnId } = active;
  const runId = world.identity.holder(TENANT, KEY) ?? "";
  const save = (step: number) =>
    saveMemory(
      world.db,
      {
        ...{ tenant: TENANT, turnId, runId, step, agentId: "main", sessionKey: KEY },
        ...{ text: `fact ${step}`, isPinned: true },
      },
      2,
    );
  expect([await save(1), await save(2), await save(3)]).toEqual([true, true, false]);
  // The same write again, as of a run that goes on where another died, is none more.
  expect(await save(2)).toBe(true);
  held.open();
  await active.ended;
  expect(await readPinned(world.db, TENANT, "main", 1)).toEqual(["fact 2"]);
  expect((await replica.client.getTurn({ turnId })).turn?.state).toBe(TurnState.COMPLETED);
});

test.concurrent("what is rolled back leaves its place among an agent's memories; what runs or stays has one", async () => {
  const { world, replica, active } = await busyLane();
  await using _ = world;
  const saveIn = (turnId: string, sessionKey: string, step: number) => {
    const runId = world.identity.holder(TENANT, sessionKey) ?? "";
    const of = { tenant: TENANT, turnId, runId, step, agentId: "main", sessionKey };
    return saveMemory(world.db, { ...of, text: `fact ${step}`, isPinned: false }, 2);
  };
  const key = "agent:main:elsewhere";
  const other = new Attached(replica, { submit: turnFor(world, "two", { key }) });
  await eventually(() => other.kinds.includes("textDelta"));
  expect([await saveIn(active.turnId, KEY, 1), await saveIn(active.turnId, KEY, 2)]).toEqual([
    true,
    true,
  ]);
  // It may yet stand.
  expect(await saveIn(other.turnId, key, 1)).toBe(false);
  const onConflict = OnConflict.ROLLBACK;
  const third = new Attached(replica, { submit: turnFor(world, "three", { onConflict }) });
  await active.ended;
  expect([await saveIn(other.turnId, key, 1), await saveIn(other.turnId, key, 2)]).toEqual([
    true,
    true,
  ]);
  expect(await saveIn(other.turnId, key, 3)).toBe(false);
  await replica.client.cancelTurn({ turnId: other.turnId });
  await other.ended;
  // A turn that was cancelled keeps what it did.
  await eventually(() => third.kinds.includes("textDelta"));
  expect(await saveIn(third.turnId, KEY, 1)).toBe(false);
  await replica.client.cancelTurn({ turnId: third.turnId });
  await third.ended;
});

test.concurrent("a context reaches back through so many generations and no further", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  let parentSessionId = "";
  for (let n = 1; n <= LIMITS.parentDepth + 6; n++) {
    const sessionId = randomUUID();
    const none = { parentThroughTurnId: "", compactedByRunId: undefined };
    const seen = { sessionId, sessionKey: KEY, generation: BigInt(n), parentSessionId, ...none };
    await seeSession(world.db, TENANT, seen);
    await world.db.query(
      `INSERT INTO messages (tenant, session_id, seq, turn_id, role, principal, body, create_time)
       VALUES ($1, $2, 1, gen_random_uuid(), 2, '', $3, clock_timestamp())`,
      [TENANT, sessionId, messageBytes(textMessage(Role.USER, `generation ${n}`))],
    );
    parentSessionId = sessionId;
  }
  const { said } = await readHistory(replica.context.deps, TENANT, parentSessionId, 1_000_000);
  const texts = said.map(({ message }) => textOf(message));
  expect(texts).toHaveLength(LIMITS.parentDepth);
  expect([texts[0], texts.at(-1)]).toEqual(["generation 7", "generation 70"]);
});

test("a transcript of more messages and bytes than are read at once is read whole, in order", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  const sessionId = randomUUID();
  const { transcriptPage, transcriptPageBytes } = LIMITS;
  const large = 1024 * 1024;
  const [largeCount, count] = [transcriptPageBytes / large + 2, transcriptPage + 40];
  const whole = { parentSessionId: "", parentThroughTurnId: "", compactedByRunId: undefined };
  await seeSession(world.db, TENANT, { sessionId, sessionKey: KEY, generation: 1n, ...whole });
  const body = (text: string) => messageBytes(textMessage(Role.USER, text));
  await world.db.query(
    `INSERT INTO messages (tenant, session_id, seq, turn_id, role, principal, body, create_time)
     SELECT $1, $2, n, gen_random_uuid(), 2, '', CASE WHEN n > $4 THEN $5::bytea ELSE $6::bytea END,
       clock_timestamp() FROM generate_series(1, $3::int) n`,
    [TENANT, sessionId, count, count - largeCount, body("x".repeat(large)), body("short")],
  );
  const { said } = await readHistory(replica.context.deps, TENANT, sessionId, 100 * large);
  expect(said.map(({ seq }) => Number(seq))).toEqual(
    Array.from({ length: count }, (_, index) => index + 1),
  );
  const lengths = said.map(({ message }) => textOf(message).length);
  expect(lengths.slice(-largeCount)).toEqual(Array.from({ length: largeCount }, () => large));
  expect(new Set(lengths.slice(0, -largeCount))).toEqual(new Set(["short".length]));
});

test.concurrent("of so many turns the inputs are compared with what a client resends, and of none before them", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = async function* (request) {
    yield { type: "text", text: `answer to ${textOf(request.messages.at(-1) ?? user(""))}` };
    yield end();
  };
  const ask = (messages: Message[]) =>
    new Attached(replica, { submit: turnFor(world, `${messages.length}`, { messages }) });
  for (let n = 1; n <= LIMITS.rememberedTurns + 1; n++) await ask([user(`m${n}`)]).ended;
  /** A client that has seen the answer to one turn, and resends what came after it. */
  const resent = async (from: number) => {
    const seen = said(Role.ASSISTANT, `answer to m${from}`);
    const attached = ask([user(`m${from}`), seen, user(`m${from + 1}`), user("more")]);
    await attached.ended;
    const { request } = await replica.client.getTurn({
      ...{ turnId: attached.turnId, withRequest: true },
    });
    return request?.messages.map(textOf);
  };
  expect(await resent(1)).toEqual(["m2", "more"]);
  // One turn more has ended since.
  expect(await resent(3)).toEqual(["more"]);
});

test.concurrent("of what a provider says of a failure session-identity is told so many characters", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = async function* () {
    yield { type: "text", text: "" };
    throw new ModelError("MODEL_FAILED", "x".repeat(2_000));
  };
  await new Attached(replica, { submit: turnFor(world, "one") }).ended;
  const [told] = world.identity.endings;
  expect(told?.errorMessage).toBe("x".repeat(LIMITS.errorMessageChars));
});

test("of a reply as many parts are handed to delivery as that takes, and of the others is told", () => {
  const text = (value: string) => ({ content: { case: "text" as const, value } });
  const parts = Array.from({ length: LIMITS.partsPerDelivery + 6 }, (_, n) => text(`part ${n}`));
  // What cannot be delivered takes nobody's place.
  const reply = create(MessageSchema, { role: Role.ASSISTANT, parts: [text(""), ...parts] });
  const handed = partsOf(reply).map(({ content }) => content?.value);
  expect(handed).toEqual([
    ...parts.slice(0, 63).map(({ content }) => content.value),
    "[parts of this reply left out: 7; a delivery takes 64]",
  ]);
  expect(partsOf({ ...reply, parts: reply.parts.slice(0, 65) })).toHaveLength(64);
  expect(partsOf({ ...reply, parts: reply.parts.slice(0, 65) }).at(-1)).toMatchObject(
    parts[63] ?? {},
  );
});
