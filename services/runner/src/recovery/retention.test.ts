import { randomUUID } from "node:crypto";
import { Disposition, OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { LIMITS } from "../limits.ts";
import { forgetChildTurns, insertChildTurn } from "../store/nested/child-turns.ts";
import { countNested, forgetNestedCounts } from "../store/nested/nested-counts.ts";
import { forgetRefused } from "../store/outbox/outbox.ts";
import { forgetSlots, writeSlots } from "../store/lanes/run-slots.ts";
import { forgetEdges, forgetEvents, forgetRequests } from "../store/recovery/sweep.ts";
import { forgetSteps } from "../store/answering/tool-steps.ts";
import { gate } from "../testing/gate.ts";
import { end, heldAnswer, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import type { World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

/** Makes what is stored older, in place of waiting. */
async function age(world: World, table: string, column: string, ms: number): Promise<void> {
  await world.db.query(
    `UPDATE ${table} SET ${column} = ${column} - ${ms} * interval '1 ms' WHERE ${column} IS NOT NULL`,
  );
}

const AN_HOUR_MS = 3_600_000;
const A_DAY_MS = 24 * AN_HOUR_MS;

test.concurrent("a turn that has ended is told from any place, at any replica, while its events are kept; after that its end is", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  const live = new Attached(a, { submit: turnFor(world, "one") });
  await live.ended;
  const { turnId } = live;
  for (const [index, { streamSeq }] of live.events.entries()) {
    const again = new Attached(b, { turnId }, { afterStreamSeq: streamSeq });
    expect((await again.ended).reply).toEqual((await live.ended).reply);
    const rest = live.events.slice(streamSeq === 0n ? 0 : index + 1);
    const left = rest.map(({ event }) => (event.case === "textDelta" ? event.value : ""));
    expect(again.text).toBe(left.join(""));
  }
  const { eventsRetentionMs, retentionBatch } = LIMITS;
  await age(world, "turn_events", "create_time", AN_HOUR_MS - 60_000);
  await age(world, "turns", "end_time", AN_HOUR_MS - 60_000);
  expect(await forgetEvents(world.db, eventsRetentionMs, retentionBatch)).toBe(0);
  await age(world, "turn_events", "create_time", 120_000);
  await age(world, "turns", "end_time", 120_000);
  expect(await forgetEvents(world.db, eventsRetentionMs, retentionBatch)).toBeGreaterThan(0);
  const late = new Attached(b, { turnId }, { afterStreamSeq: 1n });
  const ended = await late.ended;
  expect(ended).toMatchObject({ state: TurnState.COMPLETED });
  expect(ended.reply && textOf(ended.reply)).toBe("echo: one");
  expect(late.kinds).toEqual(["accepted", "ended"]);
});

test.concurrent("of a turn whose events are being removed its end is told, and no half of its answer", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const [one, two] = ["a", "b"].map((letter) => letter.repeat(LIMITS.streamFlushBytes));
  world.model.behaviour = async function* () {
    for (const text of [one, two]) yield { type: "text", text: text ?? "" };
    yield end();
  };
  const live = new Attached(replica, { submit: turnFor(world, "one") });
  await live.ended;
  await age(world, "turn_events", "create_time", AN_HOUR_MS);
  await age(world, "turns", "end_time", AN_HOUR_MS);
  // As where a sweep is stopped between two statements.
  const first = "SELECT min(first_seq) AS seq FROM turn_events";
  while (
    (await world.db.query<{ seq: bigint }>(first)).rows[0]?.seq === live.events[1]?.streamSeq
  ) {
    expect(await forgetEvents(world.db, LIMITS.eventsRetentionMs, 1)).toBe(1);
  }
  expect((await world.db.query("SELECT FROM turn_events")).rowCount).toBeGreaterThan(0);
  const late = new Attached(replica, { turnId: live.turnId });
  const { reply } = await late.ended;
  expect(reply && textOf(reply)).toBe(`${one}${two}`);
  expect(late.kinds).toEqual(["accepted", "ended"]);
});

test.concurrent("what a turn says is kept while it runs, however old, and its request too", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const submit = turnFor(world, "one");
  const first = new Attached(replica, { submit });
  await eventually(() => first.kinds.includes("textDelta"));
  const stored = "SELECT FROM turn_events WHERE turn_id = $1";
  await eventually(async () => (await world.db.query(stored, [first.turnId])).rowCount > 0);
  await age(world, "turn_events", "create_time", 2 * A_DAY_MS);
  await age(world, "idempotency", "create_time", 2 * A_DAY_MS);
  expect(await forgetEvents(world.db, LIMITS.eventsRetentionMs, 10)).toBe(0);
  expect(await forgetRequests(world.db, LIMITS.idempotencyRetentionMs, 10)).toBe(0);
  const repeat = await replica.client.submitTurn(submit);
  expect(repeat).toMatchObject({ disposition: Disposition.JOINED, turnId: first.turnId });
  held.open();
  await first.ended;
});

test.concurrent("the steps of a turn that has ended go with its events, those of one that runs stay", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { tools: ["session_status"] });
  const held = gate();
  world.model.behaviour = async function* ({ messages }) {
    const isHeld = messages.some((message) => textOf(message) === "held");
    if (messages.at(-1)?.parts[0]?.content.case === "toolResult") {
      if (isHeld) await held.opened;
      yield { type: "text", text: "done" };
      yield end();
    } else {
      yield toolCall("c1", "session_status");
      yield end("tool_calls");
    }
  };
  const ended = new Attached(replica, { submit: turnFor(world, "one") });
  await ended.ended;
  const key = "agent:main:elsewhere";
  const running = new Attached(replica, { submit: turnFor(world, "held", { key }) });
  const stepsOf = async () => {
    const stored = "SELECT turn_id FROM tool_steps WHERE result IS NOT NULL";
    return (await world.db.query<{ turn_id: string }>(stored)).rows.map((row) => row.turn_id);
  };
  await eventually(async () => (await stepsOf()).length === 2);
  expect(await forgetSteps(world.db, LIMITS.eventsRetentionMs, 10)).toBe(0);
  await age(world, "turns", "end_time", LIMITS.eventsRetentionMs + 1_000);
  expect(await forgetSteps(world.db, LIMITS.eventsRetentionMs, 10)).toBe(1);
  expect(await stepsOf()).toEqual([running.turnId]);
  held.open();
  await running.ended;
});

test.concurrent("a request is one turn for a day; after that it is a new one", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const submit = turnFor(world, "one");
  const first = new Attached(replica, { submit });
  await first.ended;
  await age(world, "idempotency", "create_time", A_DAY_MS - 60_000);
  expect(await forgetRequests(world.db, LIMITS.idempotencyRetentionMs, 10)).toBe(0);
  expect((await replica.client.submitTurn(submit)).turnId).toBe(first.turnId);
  await age(world, "idempotency", "create_time", 120_000);
  expect(await forgetRequests(world.db, LIMITS.idempotencyRetentionMs, 10)).toBe(1);
  const again = new Attached(replica, { submit });
  await again.ended;
  expect(again.turnId).not.toBe(first.turnId);
});

test.concurrent("a request that joined a turn which waits is known until that one has ended, however long", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const active = new Attached(replica, { submit: turnFor(world, "active") });
  await eventually(() => active.kinds.includes("textDelta"));
  const host = new Attached(replica, { submit: turnFor(world, "host") });
  await eventually(() => host.kinds.includes("queued"));
  const submit = turnFor(world, "guest", { onConflict: OnConflict.COALESCE });
  const guest = await replica.client.submitTurn(submit);
  expect(guest.disposition).toBe(Disposition.COALESCED);
  await age(world, "idempotency", "create_time", 2 * A_DAY_MS);
  expect(await forgetRequests(world.db, LIMITS.idempotencyRetentionMs, 10)).toBe(0);
  expect((await replica.client.submitTurn(submit)).turnId).toBe(guest.turnId);
  held.open();
  await host.ended;
  expect(await forgetRequests(world.db, LIMITS.idempotencyRetentionMs, 10)).toBe(3);
});

test.concurrent("slots of replicas that are gone, waits of runs that hold no lane and outcomes long told are removed, and no others", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const active = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => active.kinds.includes("textDelta"));
  const { db } = world;
  await db.query(
    `INSERT INTO wait_edges (tenant, run_id, turn_id, from_key, to_key, create_time)
     SELECT tenant, r, turn_id, $1, 'agent:main:b', clock_timestamp()
     FROM turns, unnest(ARRAY[run_id, gen_random_uuid()]) r WHERE turn_id = $2`,
    [KEY, active.turnId],
  );
  expect(await forgetEdges(db)).toBe(1);
  const edges = await db.query<{ run_id: string }>("SELECT run_id FROM wait_edges");
  expect(edges.rows.map(({ run_id }) => run_id)).toEqual([world.identity.holder(TENANT, KEY)]);
  const one = { tenant: TENANT, scope: "main", slots: 1, reclaims: 0 };
  await writeSlots(db, [one], { replica: "gone", leaseMs: -LIMITS.retentionSweepMs - 1_000 });
  await writeSlots(db, [one], { replica: "here", leaseMs: -1_000 });
  await forgetSlots(db, LIMITS.retentionSweepMs);
  const slots = await db.query<{ replica: string }>("SELECT replica FROM run_slots");
  expect(slots.rows).toEqual([{ replica: "here" }]);
  const child = { tenant: TENANT, parentTurnId: active.turnId, parentSessionKey: KEY };
  for (const ms of [2 * A_DAY_MS, LIMITS.childTurnsRetentionMs - A_DAY_MS]) {
    const more = { principal: "p1", isRouted: false, isAwaited: false };
    await insertChildTurn(db, { ...child, ...more, childTurnId: randomUUID() });
    await age(world, "child_turns", "create_time", ms);
  }
  await forgetChildTurns(db, LIMITS.childTurnsRetentionMs, LIMITS.retentionBatch);
  const children = await db.query("SELECT FROM child_turns");
  expect(children.rowCount).toBe(1);
  for (const ms of [2 * A_DAY_MS, LIMITS.childTurnsRetentionMs - A_DAY_MS]) {
    await countNested(db, { tenant: TENANT, rootTurnId: randomUUID() }, 1);
    await age(world, "nested_counts", "sent_time", ms);
  }
  await forgetNestedCounts(db, LIMITS.childTurnsRetentionMs, LIMITS.retentionBatch);
  expect((await db.query("SELECT FROM nested_counts")).rowCount).toBe(1);
  held.open();
  await active.ended;
});

test.concurrent("a reply that delivery refused for good is kept as long as a dead letter, one that waits until it is taken", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const { db, delivery } = world;
  delivery.unknownRoutes.add("gone");
  await new Attached(replica, { submit: turnFor(world, "one", { routeId: "gone" }) }).ended;
  const rows = async (where: string) =>
    (await db.query(`SELECT FROM outbox WHERE ${where}`)).rowCount;
  await eventually(async () => (await rows("refusal IS NOT NULL")) === 1);
  delivery.isDown = true;
  const key = "agent:main:elsewhere";
  await new Attached(replica, { submit: turnFor(world, "two", { key, routeId: "r1" }) }).ended;
  await age(world, "outbox", "create_time", LIMITS.refusedRepliesRetentionMs - A_DAY_MS);
  expect(await forgetRefused(db, LIMITS.refusedRepliesRetentionMs, 10)).toBe(0);
  await age(world, "outbox", "create_time", 2 * A_DAY_MS);
  expect(await forgetRefused(db, LIMITS.refusedRepliesRetentionMs, 10)).toBe(1);
  expect(await rows("refusal IS NULL")).toBe(1);
});
