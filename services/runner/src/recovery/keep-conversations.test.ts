import { RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { OnConflict } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { createMetrics } from "@lanekeeper/service";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { LIMITS } from "../limits.ts";
import { runnerMetrics } from "../metrics.ts";
import { gate } from "../testing/gate.ts";
import { type Behaviour, echo, end, heldAnswer, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import { answers, parentOf, waitsFor } from "../testing/subagents.ts";
import type { World } from "../testing/world.ts";
import { say } from "../testing/say.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import { Retention } from "./retention.ts";

const worlds = testWorlds();

const A_DAY_MS = 86_400_000;

/** A sweep for which all is past retention that has been over for so long; 0: that is over. */
async function sweep({ db }: World, keep: number | "for ever" = 0): Promise<void> {
  const keepConversationsMs = keep === "for ever" ? undefined : keep;
  const metrics = runnerMetrics(createMetrics("runner", { ofProcess: false }));
  await new Retention({ db, metrics, keepConversationsMs }).sweep();
}

/** What is said anywhere, and the turns and runs that are kept. */
async function stored(world: World) {
  const { rows } = await world.db.query<Record<"messages" | "turns" | "runs" | "sessions", number>>(
    `SELECT (SELECT count(*)::int FROM messages) AS messages, (SELECT count(*)::int FROM turns) AS turns,
       (SELECT count(*)::int FROM runs) AS runs, (SELECT count(*)::int FROM sessions) AS sessions`,
  );
  return rows[0];
}

async function started(config: Parameters<typeof applyMain>[1] = {}) {
  const world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, config);
  return { world, replica };
}

const migrate = (world: World, key = KEY): void => {
  const { sessionId: parentSessionId } = world.identity.ref(TENANT, key);
  world.identity.rotate(TENANT, key, { parentSessionId, reason: RotationReason.MIGRATION });
};

test.concurrent("a conversation that was reset goes whole once it is past retention, and no sooner or without one", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const one = await say(world, replica, "one");
  world.identity.rotate(TENANT, KEY);
  // Until somebody speaks in the next one, nothing here tells that it is over.
  await sweep(world);
  const two = await say(world, replica, "two");
  const before = await stored(world);
  expect(before).toEqual({ messages: 4, turns: 2, runs: 2, sessions: 2 });
  await sweep(world, "for ever");
  await sweep(world, A_DAY_MS);
  expect(await stored(world)).toEqual(before);
  await sweep(world);
  expect(await stored(world)).toEqual({ messages: 2, turns: 1, runs: 1, sessions: 1 });
  await expect(replica.client.getTurn({ turnId: one })).rejects.toMatchObject({
    reason: "NOT_FOUND",
  });
  expect((await replica.client.getTurn({ turnId: two })).turn?.turnId).toBe(two);
  const session = { case: "sessionKey", value: KEY } as const;
  const { messages } = await replica.client.listMessages({ session });
  expect(messages.map(({ generation }) => Number(generation))).toEqual([2, 2]);
  await say(world, replica, "three");
  expect(world.model.shown(2)).toEqual(["user: two", "assistant: echo: two", "user: three"]);
});

test.concurrent("a page of sessions after the other is looked at, and turns that never ran go with their generation", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const active = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => active.kinds.includes("textDelta"));
  const waits = new Attached(replica, { submit: turnFor(world, "never") });
  await eventually(() => waits.kinds.includes("queued"));
  await replica.client.cancelTurn({ turnId: waits.turnId });
  held.open();
  await active.ended;
  await world.db.query(
    `INSERT INTO sessions SELECT tenant, session_id || n, 'agent:main:other' || n, 1, '', '', 0, NULL, now()
     FROM sessions, generate_series(1, $1) n`,
    [2 * LIMITS.retentionWalkRows],
  );
  world.identity.rotate(TENANT, KEY);
  await say(world, replica, "two");
  await sweep(world);
  expect(await stored(world)).toMatchObject({ messages: 2, turns: 1, runs: 1 });
});

/** Whether what was said in the first generation of the key is kept. */
async function isKept({ db }: World, key = KEY): Promise<boolean> {
  const { rowCount } = await db.query(
    "SELECT FROM messages JOIN sessions USING (tenant, session_id) WHERE session_key = $1 AND generation = 1",
    [key],
  );
  return rowCount > 0;
}

test.concurrent("what a session that stands reads as its past is kept, through all between them", async () => {
  const { world, replica } = await started();
  await using _ = world;
  for (const text of ["one", "two", "three"]) {
    await say(world, replica, text);
    migrate(world);
  }
  await say(world, replica, "four");
  await sweep(world);
  expect(await stored(world)).toMatchObject({ messages: 8, turns: 4, sessions: 4 });
  await say(world, replica, "five");
  expect(world.model.shown(4)[0]).toBe("user: one");
  world.identity.rotate(TENANT, KEY);
  await say(world, replica, "anew");
  await sweep(world);
  // Those that they read in turn go first; so one sweep may leave some to the next.
  await sweep(world);
  await sweep(world);
  await sweep(world);
  expect(await stored(world)).toMatchObject({ messages: 2, turns: 1, sessions: 1 });
});

test.concurrent("what another key's session goes on from is kept as long as that one stands", async () => {
  const { world, replica } = await started();
  await using _ = world;
  await say(world, replica, "one");
  const { sessionId: parentSessionId } = world.identity.ref(TENANT, KEY);
  world.identity.rotate(TENANT, KEY);
  await say(world, replica, "two");
  const key = "agent:main:fork";
  world.identity.ref(TENANT, key);
  world.identity.rotate(TENANT, key, { parentSessionId, reason: RotationReason.FORK });
  await say(world, replica, "forked", { key });
  await sweep(world);
  expect(await isKept(world)).toBe(true);
  world.identity.rotate(TENANT, key);
  await say(world, replica, "anew", { key });
  await sweep(world);
  await sweep(world);
  expect(await isKept(world)).toBe(false);
});

test.concurrent("what was restored is kept, though nobody has spoken in it yet", async () => {
  const { world, replica } = await started();
  await using _ = world;
  await say(world, replica, "one");
  const { sessionId: parentSessionId } = world.identity.ref(TENANT, KEY);
  world.identity.rotate(TENANT, KEY);
  await say(world, replica, "two");
  const reason = RotationReason.RESTORE;
  const { sessionId } = world.identity.rotate(TENANT, KEY, { parentSessionId, reason });
  const known = "SELECT FROM sessions WHERE session_id = $1";
  await eventually(async () => (await world.db.query(known, [sessionId])).rowCount === 1);
  await sweep(world);
  expect(await isKept(world)).toBe(true);
  await say(world, replica, "and now?");
  expect(world.model.shown(2)).toEqual(["user: one", "assistant: echo: one", "user: and now?"]);
});

test.concurrent("of a conversation that compacts again and again, what summaries stand for goes", async () => {
  const config = { contextTokenBudget: 1_000, compaction: { atPercent: 50 } };
  const { world, replica } = await started(config);
  await using _ = world;
  world.model.behaviour = async function* ({ messages: [first] }) {
    const isForSummary = first !== undefined && textOf(first).startsWith("You keep the memory");
    yield { type: "text", text: isForSummary ? "SUMMARY" : "ok" };
    yield end();
  };
  for (let n = 0; n < 8; n += 1) await say(world, replica, `${n} ${"x".repeat(900)}`);
  const generations = async () => {
    const { rows } = await world.db.query<{ generation: bigint }>(
      "SELECT generation FROM sessions WHERE message_count > 0 ORDER BY generation",
    );
    return rows.map(({ generation }) => Number(generation));
  };
  const all = await generations();
  expect(all.length).toBeGreaterThan(2);
  await sweep(world);
  // The last begins with a summary, which left the end of its predecessor to be shown as it was said.
  expect(await generations()).toEqual(all.slice(-2));
  await say(world, replica, "and?");
  expect(world.model.shown(world.model.asked.length - 1)[0]).toContain("SUMMARY");
  expect(await isKept(world)).toBe(false);
});

test.concurrent("a conversation whose reply waits for delivery is kept until delivery has it", async () => {
  const { world, replica } = await started();
  await using _ = world;
  world.delivery.isDown = true;
  await say(world, replica, "one", { routeId: "r1" });
  world.identity.rotate(TENANT, KEY);
  await say(world, replica, "two");
  await sweep(world);
  expect(await isKept(world)).toBe(true);
  world.delivery.isDown = false;
  await eventually(async () => (await world.db.query("SELECT FROM outbox")).rowCount === 0);
  await sweep(world);
  expect(await isKept(world)).toBe(false);
});

test.concurrent("a turn that sent a task is kept while the task is under way and its outcome may be told; then both go", async () => {
  const { world, replica } = await started({ tools: ["sessions_spawn"] });
  await using _ = world;
  const done = gate();
  world.model.behaviour = parentOf(waitsFor(done.opened), false);
  await say(world, replica, "spawn task");
  world.identity.rotate(TENANT, KEY);
  await say(world, replica, "two");
  const { db } = world;
  await eventually(
    async () => (await db.query("SELECT FROM runs WHERE end_time IS NULL")).rowCount === 1,
  );
  // However long ago what tells of it began.
  await db.query("UPDATE child_turns SET create_time = 'epoch'");
  await db.query("UPDATE nested_counts SET sent_time = 'epoch'");
  await sweep(world);
  expect(await isKept(world)).toBe(true);
  const minted = await db.query<{ session_key: string }>(
    "SELECT session_key FROM turns WHERE parent_turn_id IS NOT NULL",
  );
  const subagent = minted.rows[0]?.session_key ?? "";
  expect(subagent).toContain(":subagent:");
  done.open();
  // A conversation whose reply is still to be sent stays.
  const UNDER_WAY = "SELECT FROM runs WHERE end_time IS NULL UNION ALL SELECT FROM outbox";
  await eventually(async () => (await db.query(UNDER_WAY)).rowCount === 0);
  // First the task's, which is found by the turn that gave it away.
  await sweep(world);
  expect([await isKept(world), await isKept(world, subagent)]).toEqual([true, false]);
  await sweep(world);
  expect(await isKept(world)).toBe(false);
});

test.concurrent("outcomes of tasks keep the turns on both sides for as long as they may be told", async () => {
  const { world, replica } = await started({ tools: ["sessions_spawn"] });
  await using _ = world;
  world.model.behaviour = parentOf(answers, true);
  await say(world, replica, "spawn task");
  world.identity.rotate(TENANT, KEY);
  await say(world, replica, "two");
  await sweep(world);
  expect(await isKept(world)).toBe(true);
  await world.db.query("UPDATE child_turns SET create_time = 'epoch'");
  await sweep(world);
  expect(await isKept(world)).toBe(true);
  await world.db.query("UPDATE nested_counts SET sent_time = 'epoch'");
  await sweep(world);
  expect(await isKept(world)).toBe(false);
});

test.concurrent("a turn of which its agent remembers something stays, and the rest of its conversation goes", async () => {
  const { world, replica } = await started({ tools: ["memory_save", "memory_search"] });
  await using _ = world;
  await say(world, replica, "hello");
  world.model.behaviour = calls("memory_save", '{"text":"tea at four"}');
  const saved = await say(world, replica, "keep it");
  world.identity.rotate(TENANT, KEY);
  world.model.behaviour = calls("memory_search", '{"query":"tea"}');
  await say(world, replica, "two");
  await sweep(world);
  expect(await isKept(world)).toBe(false);
  const { rows } = await world.db.query<{ turn_id: string }>(
    "SELECT turn_id FROM turns ORDER BY turn_id",
  );
  expect(rows.map((row) => row.turn_id)).toContain(saved);
  expect(rows.length).toBe(2);
  await say(world, replica, "three");
  expect(world.model.shown(world.model.asked.length - 1).at(-1)).toContain("tea at four");
});

test.concurrent("turns without a session go by their age alone", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const stateless = { target: { case: "statelessAgentId", value: "main" } } as const;
  const old = await say(world, replica, "alone", stateless);
  await sweep(world, A_DAY_MS);
  expect((await replica.client.getTurn({ turnId: old })).turn?.turnId).toBe(old);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const runs = new Attached(replica, { submit: turnFor(world, "now", stateless) });
  await eventually(() => runs.kinds.includes("textDelta"));
  await sweep(world);
  expect(await stored(world)).toMatchObject({ turns: 1 });
  held.open();
  await runs.ended;
});

test.concurrent("what was saved in a turn that was rolled back goes after a week, with or without a retention of conversations", async () => {
  const { world, replica } = await started({ tools: ["memory_save"] });
  await using _ = world;
  world.model.behaviour = calls("memory_save", '{"text":"a fact"}');
  await say(world, replica, "keep it", { key: "agent:main:stands" });
  const held = gate();
  world.model.behaviour = async function* (request) {
    yield* isAfterTool(request)
      ? heldAnswer(held.opened)(request)
      : calls("memory_save", '{"text":"a slip"}')(request);
  };
  const back = new Attached(replica, { submit: turnFor(world, "keep that") });
  await eventually(() => back.kinds.includes("textDelta"));
  await age(world, LIMITS.discardedMemoriesRetentionMs + A_DAY_MS);
  const bodies = async () => {
    const { rows } = await world.db.query<{ body: string }>(
      "SELECT body FROM memories ORDER BY body",
    );
    return rows.map(({ body }) => body);
  };
  await sweep(world, "for ever");
  expect(await bodies()).toEqual(["a fact", "a slip"]);
  world.model.behaviour = answers;
  await say(world, replica, "no", { onConflict: OnConflict.ROLLBACK });
  await back.ended;
  await age(world, LIMITS.discardedMemoriesRetentionMs - A_DAY_MS);
  await sweep(world, "for ever");
  expect(await bodies()).toEqual(["a fact", "a slip"]);
  await age(world, 2 * A_DAY_MS);
  await sweep(world, "for ever");
  expect(await bodies()).toEqual(["a fact"]);
});

test.concurrent("who is stopped in the middle leaves the rest to the next sweep", async () => {
  const { world, replica } = await started();
  await using _ = world;
  await say(world, replica, "one");
  world.identity.rotate(TENANT, KEY);
  await say(world, replica, "two");
  const metrics = runnerMetrics(createMetrics("runner", { ofProcess: false }));
  const { db } = world;
  const query: typeof db.query = async (statement, params) => {
    const answer = await db.query(statement, params);
    const name = typeof statement === "string" ? "" : statement.name;
    if (name === "runner_forget_messages") stopped.stop();
    return answer as never;
  };
  const stopped = new Retention({
    db: { ...db, query } as typeof db,
    metrics,
    keepConversationsMs: 0,
  });
  await stopped.sweep();
  expect(await stored(world)).toEqual({ messages: 2, turns: 2, runs: 2, sessions: 2 });
  await sweep(world);
  expect(await stored(world)).toEqual({ messages: 2, turns: 1, runs: 1, sessions: 1 });
});

test.concurrent("the tables of conversations are measured, from a replica's start on", async () => {
  const { world, replica } = await started();
  await using _ = world;
  await eventually(() => replica.statements().get("runner_stored_bytes") === 1);
  const metrics = createMetrics("runner", { ofProcess: false });
  const told = { db: world.db, metrics: runnerMetrics(metrics), keepConversationsMs: undefined };
  await new Retention(told).measure();
  const text = await metrics.registry.metrics();
  for (const table of ["turns", "runs", "messages", "sessions", "summaries", "memories", "lanes"]) {
    expect(text).toMatch(new RegExp(`conversations_stored_bytes{table="${table}"\\S* [1-9]`));
  }
});

function isAfterTool({ messages }: Parameters<Behaviour>[0]): boolean {
  return messages.at(-1)?.parts[0]?.content.case === "toolResult";
}

/** Calls a tool, and says what came of it. */
function calls(name: string, args: string): Behaviour {
  return async function* (request) {
    if (isAfterTool(request)) {
      yield* echo(request);
    } else {
      yield toolCall("c1", name, args);
      yield end("tool_calls");
    }
  };
}

/** Makes the ends of turns older, in place of waiting. */
async function age({ db }: World, ms: number): Promise<void> {
  await db.query(
    "UPDATE turns SET end_time = end_time - $1 * interval '1 ms' WHERE end_time IS NOT NULL",
    [ms],
  );
}
