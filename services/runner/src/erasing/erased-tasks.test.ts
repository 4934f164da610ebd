import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { tellChildren } from "../nested/tell-children.ts";
import { gate } from "../testing/gate.ts";
import { lookAt, lookUntilDone, rowsWith } from "../testing/erasing.ts";
import { type Behaviour, end, heldAnswer, toolCall } from "../testing/model-double.ts";
import { transcript } from "../testing/reading.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import { answers, deliverTo, lastSaid, parentOf, turnsOf, waitsFor } from "../testing/subagents.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { Replica, World } from "../testing/world.ts";

const worlds = testWorlds();
const WORD = "marmalade";
const TOOLS = { tools: ["sessions_spawn", "sessions_send"] };

async function started() {
  const world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  return { world, replica };
}

async function say(world: World, replica: Replica, text: string, key = KEY) {
  const turn = new Attached(replica, { submit: turnFor(world, text, { key }) });
  await turn.ended;
  return turn.turnId;
}

/** Keys of subagents that have turns, those of the oldest first. */
async function subagents({ db }: World): Promise<string[]> {
  const { rows } = await db.query<{ key: string }>(
    "SELECT session_key AS key FROM turns WHERE session_key LIKE '%:subagent:%' GROUP BY 1 ORDER BY min(accept_time)",
  );
  return rows.map(({ key }) => key);
}

const untilCount = (world: World, sql: string, count: number) =>
  eventually(async () => (await world.db.query(sql)).rowCount === count);

test.concurrent("tasks, and tasks of tasks, are reported and ended, and go with the conversation that gave them away", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const held = gate();
  world.model.behaviour = async function* (request) {
    const said = lastSaid(request);
    if (!said.startsWith("spawn ")) return yield* heldAnswer(held.opened)(request);
    const task = JSON.stringify({ task: said.slice(6), wait: said.startsWith("spawn spawn") });
    yield toolCall("c1", "sessions_spawn", task);
    yield end("tool_calls");
  };
  // The first subagent waits for the second, which gives one more away.
  const first = new Attached(replica, { submit: turnFor(world, `spawn spawn spawn ${WORD}`) });
  await untilCount(world, "SELECT FROM turns WHERE end_time IS NULL AND state = 2", 4);
  const keys = await subagents(world);
  expect(keys).toHaveLength(3);
  const erasure = world.identity.erase(TENANT, KEY);
  expect(await first.ended).toMatchObject({ state: TurnState.SUPERSEDED });
  await lookUntilDone(world, replica, erasure);
  expect(erasure.keys.map(({ sessionKey }) => sessionKey)).toEqual([KEY, ...keys]);
  expect(erasure.keys.map(({ throughGeneration }) => throughGeneration)).toEqual([1n, 1n, 1n, 1n]);
  expect(await rowsWith(world, WORD)).toEqual({});
  for (const table of [
    "lanes",
    "minted_keys",
    "turns",
    "sessions",
    "child_turns",
    "nested_counts",
  ]) {
    expect([table, (await world.db.query(`SELECT FROM ${table}`)).rowCount]).toEqual([table, 0]);
  }
});

test.concurrent("what comes of a task after the erasure began is not told in the conversation that begins anew", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const { submit } = deliverTo(world, replica);
  const done = gate();
  world.model.behaviour = parentOf(waitsFor(done.opened), false);
  await say(world, replica, `spawn task ${WORD}`);
  const [subagent = ""] = await subagents(world);
  const erasure = world.identity.erase(TENANT, KEY);
  await say(world, replica, "I am back");
  // Before the first look: delivery brings it, or the runner tells it itself.
  done.open();
  await untilCount(
    world,
    "SELECT FROM turns WHERE end_time IS NULL UNION ALL SELECT FROM outbox",
    0,
  );
  const [task] = await turnsOf(replica, subagent);
  const told = { turnId: task?.turnId ?? "", parentKey: KEY };
  for (const text of ["42", undefined]) {
    await expect(submit({ ...told, text })).rejects.toMatchObject({ reason: "NOT_FOUND" });
  }
  await world.db.query("UPDATE child_turns SET is_routed = false, is_settled = false");
  await tellChildren(replica.context);
  expect(await transcript(replica)).not.toContain("42");
  const said = ["I am back", "heard: I am back"];
  expect((await transcript(replica)).slice(-2)).toEqual(said);
  expect(await turnsOf(replica, KEY)).toHaveLength(2);

  erasure.returned = true;
  await lookUntilDone(world, replica, erasure);
  await expect(submit({ ...told, text: "42" })).rejects.toMatchObject({ reason: "NOT_FOUND" });
  expect(await transcript(replica)).toEqual(said);
  expect(await rowsWith(world, WORD)).toEqual({});
});

test.concurrent("an ordinary reset hides nothing of what comes of a task, also while others are erased", async () => {
  const { world, replica } = await started();
  await using _ = world;
  deliverTo(world, replica);
  const done = gate();
  world.model.behaviour = parentOf(waitsFor(done.opened), false);
  await say(world, replica, "spawn task");
  await say(world, replica, "hello", "agent:main:other");
  world.identity.erase(TENANT, "agent:main:other");
  world.identity.rotate(TENANT, KEY);
  done.open();
  await eventually(async () => (await turnsOf(replica, KEY)).length === 2);
});

test.concurrent("a subagent of another conversation to which this one only sent a message stays", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const other = "agent:main:other";
  world.model.behaviour = parentOf(answers, true);
  await say(world, replica, "spawn task of the other", other);
  const [subagent = ""] = await subagents(world);
  world.model.behaviour = sends(subagent, "task, how far?");
  await say(world, replica, "ask");
  await eventually(async () => (await turnsOf(replica, subagent)).length === 2);
  await untilCount(
    world,
    "SELECT FROM turns WHERE end_time IS NULL UNION ALL SELECT FROM outbox",
    0,
  );
  const erasure = world.identity.erase(TENANT, KEY);
  await lookUntilDone(world, replica, erasure);
  expect(erasure.keys).toHaveLength(1);
  expect(await turnsOf(replica, subagent)).toHaveLength(2);
  expect(await transcript(replica, KEY)).toEqual([]);
});

test.concurrent("another conversation hears what became of what it sent, before the turn goes; five minutes later it does not", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const other = "agent:main:other";
  world.model.behaviour = async function* (request) {
    if (lastSaid(request).startsWith("ask")) {
      yield toolCall("c1", "sessions_send", JSON.stringify({ session_key: KEY, message: WORD }));
      return yield end("tool_calls");
    }
    yield* answers(request);
  };
  await say(world, replica, "ask", other);
  await untilCount(world, "SELECT FROM turns WHERE end_time IS NULL", 0);
  // It has not heard of it yet.
  await world.db.query("UPDATE child_turns SET is_settled = false");
  const noted = await world.db.query("SELECT FROM child_turns");
  expect(noted.rowCount).toBe(1);
  const erasure = world.identity.erase(TENANT, KEY);
  await lookAt(world, replica);
  expect(await turnsOf(replica, KEY)).toHaveLength(1);
  await lookUntilDone(world, replica, erasure);
  expect(await turnsOf(replica, KEY)).toHaveLength(0);
  expect(await world.db.query("SELECT FROM child_turns")).toMatchObject({ rowCount: 0 });
});

test.concurrent("a task that was compacted since it was reported goes whole, and session-identity hears through where", async () => {
  const { world, replica } = await started();
  await using _ = world;
  world.model.behaviour = parentOf(answers, true);
  await say(world, replica, `spawn task ${WORD}`);
  const [subagent = ""] = await subagents(world);
  const erasure = world.identity.erase(TENANT, KEY);
  world.identity.erasures.report(TENANT, {
    $typeName: "lanekeeper.identity.v1.ReportErasureRequest",
    erasureId: erasure.erasureId,
    also: [
      {
        $typeName: "lanekeeper.identity.v1.ErasedKey",
        sessionKey: subagent,
        throughGeneration: 1n,
      },
    ],
    done: false,
  });
  await world.db.query("UPDATE turns SET generation = 3 WHERE session_key = $1", [subagent]);
  await world.db.query("UPDATE sessions SET generation = 3 WHERE session_key = $1", [subagent]);
  await lookUntilDone(world, replica, erasure);
  expect(erasure.keys.at(1)).toMatchObject({ sessionKey: subagent, throughGeneration: 3n });
  expect(await rowsWith(world, WORD)).toEqual({});
});

test.concurrent("tasks for which session-identity has no room go before the turns that tell of them", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const done = gate();
  world.model.behaviour = parentOf(heldAnswer(done.opened), false);
  for (const n of [1, 2, 3]) await say(world, replica, `spawn task ${n} ${WORD}`);
  await untilCount(
    world,
    "SELECT FROM turns WHERE session_key LIKE '%:subagent:%' AND state = 2",
    3,
  );
  const erasure = world.identity.erase(TENANT, KEY);
  world.identity.erasures.maxKeys = 2;
  await lookUntilDone(world, replica, erasure);
  expect(erasure.keys).toHaveLength(2);
  expect(await rowsWith(world, WORD)).toEqual({});
  expect((await world.db.query("SELECT FROM turns")).rowCount).toBe(0);
});

function sends(key: string, message: string): Behaviour {
  return async function* (request) {
    if (!lastSaid(request).startsWith("ask")) return yield* answers(request);
    const asked = JSON.stringify({ session_key: key, message, wait: false });
    yield toolCall("c1", "sessions_send", asked);
    yield end("tool_calls");
  };
}
