import { create } from "@bufbuild/protobuf";
import { OriginSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { searchMemories } from "../store/answering/memories.ts";
import { lookAt, lookUntilDone, rowsWith } from "../testing/erasing.ts";
import { type Behaviour, end, toolCall } from "../testing/model-double.ts";
import { transcript } from "../testing/reading.ts";
import { applyMain, Attached, type Submit, TENANT, turnFor } from "../testing/requests.ts";
import { lastSaid } from "../testing/subagents.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { Replica, World } from "../testing/world.ts";

const worlds = testWorlds();

/** Said in every message of the conversation, and nowhere else. */
const WORD = "marmalade";
const NUMBER = "491705550123";
const CALLER = `agent:main:telegram:direct:${NUMBER}`;
const OTHER = "agent:main:other";

/** Compacts, remembers, gives tasks away and sends to the other conversation, as it is told. */
const agent: Behaviour = async function* (request) {
  const { messages } = request;
  const said = lastSaid(request);
  const isForSummary = messages[0] && textOf(messages[0]).startsWith("You keep the memory");
  if (isForSummary === true) {
    yield { type: "text", text: `SUMMARY of ${WORD}` };
  } else if (said.startsWith("remember")) {
    yield toolCall("c1", "memory_save", JSON.stringify({ text: `likes ${WORD}` }));
    return yield end("tool_calls");
  } else if (said.startsWith("spawn")) {
    yield toolCall("c1", "sessions_spawn", JSON.stringify({ task: `task ${WORD}`, wait: false }));
    return yield end("tool_calls");
  } else if (said.startsWith("send")) {
    const message = { session_key: OTHER, message: "how are you?", wait: false };
    yield toolCall("c1", "sessions_send", JSON.stringify(message));
    return yield end("tool_calls");
  } else {
    yield { type: "text", text: messages.some((one) => textOf(one).includes(WORD)) ? WORD : "ok" };
  }
  yield end();
};

async function say(world: World, replica: Replica, text: string, more: Submit & { key?: string }) {
  const turn = new Attached(replica, { submit: turnFor(world, text, more) });
  await turn.ended;
  return turn.turnId;
}

/** A conversation of everything that the runner keeps of one, and another one beside it. */
async function spoken(world: World, replica: Replica): Promise<void> {
  const tools = ["memory_save", "memory_search", "sessions_spawn", "sessions_send"];
  await applyMain(replica, { tools, contextTokenBudget: 1_000, compaction: { atPercent: 50 } });
  world.model.behaviour = agent;
  world.delivery.unknownRoutes.add("gone");
  const origin = create(OriginSchema, { source: "t", rawKey: NUMBER });
  const here = (text: string, more: { idempotencyKey?: string; routeId?: string } = {}) =>
    say(world, replica, text, { key: CALLER, origin, ...more });
  await here(`${WORD} ${"x".repeat(900)}`, { idempotencyKey: `telegram/bot/${NUMBER}/1` });
  for (const n of [2, 3]) await here(`${n} ${WORD} ${"x".repeat(900)}`);
  await here(`remember ${WORD}`);
  await here(`spawn ${WORD}`);
  await here(`send ${WORD}`);
  await here(`${WORD} into nowhere`, { routeId: "gone" });
  await say(world, replica, "hello", { key: OTHER });
  const waits =
    "SELECT FROM turns WHERE end_time IS NULL UNION ALL SELECT FROM outbox WHERE refusal IS NULL";
  await eventually(async () => (await world.db.query(waits)).rowCount === 0);
}

test("of a conversation that was erased no word is left in any column of any table, nor its key, and the others stay", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await spoken(world, replica);
  const words = Object.keys(await rowsWith(world, WORD));
  // What is not said at all could not be seen to go.
  for (const table of [
    "turns",
    "runs",
    "messages",
    "summaries",
    "memories",
    "tool_steps",
    "outbox",
  ]) {
    expect(words).toContain(table);
  }
  expect(words).toContain("turn_events");
  const named = Object.keys(await rowsWith(world, NUMBER));
  for (const table of ["lanes", "sessions", "child_turns", "idempotency"]) {
    expect(named).toContain(table);
  }
  const others = await transcript(replica, OTHER);
  expect(others.length).toBeGreaterThan(2);

  const erasure = world.identity.erase(TENANT, CALLER);
  await lookAt(world, replica);
  await lookUntilDone(world, replica, erasure);

  expect(await rowsWith(world, WORD)).toEqual({});
  // A repeat of a request is told for a day that its turn is gone.
  expect(Object.keys(await rowsWith(world, NUMBER))).toEqual(["idempotency"]);
  // Also of what was sent from there, which has stayed where it was sent to.
  expect(await transcript(replica, OTHER)).toEqual(others);
  const minted = (await world.db.query("SELECT FROM minted_keys")).rowCount;
  expect(minted).toBe(0);
  const scope = { tenant: TENANT, agentId: "main", turnId: "00000000-0000-0000-0000-000000000000" };
  expect(await searchMemories(world.db, scope, WORD, 10)).toEqual([]);
});

test("who comes back meanwhile is answered, and what is said since stays, with the lane", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await spoken(world, replica);
  const erasure = world.identity.erase(TENANT, CALLER);
  erasure.returned = true;
  await lookAt(world, replica);
  const back = await say(world, replica, "here I am again", { key: CALLER });
  await lookUntilDone(world, replica, erasure);
  expect(await transcript(replica, CALLER)).toEqual(["here I am again", "ok"]);
  expect((await replica.client.getTurn({ turnId: back })).turn?.turnId).toBe(back);
  const lane = "SELECT FROM lanes WHERE session_key = $1";
  expect((await world.db.query(lane, [CALLER])).rowCount).toBe(1);
  expect(await rowsWith(world, WORD)).toEqual({});
  const again = await say(world, replica, "and on", { key: CALLER });
  expect((await replica.client.getTurn({ turnId: again })).turn?.session?.sessionKey).toBe(CALLER);
  expect(await transcript(replica, CALLER)).toHaveLength(4);
});

test("a name whose lane went comes back with a lane that begins anew", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await spoken(world, replica);
  await lookUntilDone(world, replica, world.identity.erase(TENANT, CALLER));
  const lane = "SELECT FROM lanes WHERE session_key = $1";
  expect((await world.db.query(lane, [CALLER])).rowCount).toBe(0);
  await Promise.all(
    ["one", "two", "three"].map((text) => say(world, replica, text, { key: CALLER })),
  );
  expect(await transcript(replica, CALLER)).toHaveLength(6);
});
