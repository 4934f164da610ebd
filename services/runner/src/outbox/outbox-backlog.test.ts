import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { applyMain, Attached, KEY, TENANT, turnFor, user } from "../testing/requests.ts";
import { deliverTo, parentOf, waitsFor } from "../testing/subagents.ts";
import { gate } from "../testing/gate.ts";
import type { World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

/** As if so many replies had been committed while delivery was away. */
async function fill(world: World, count: number, lanes: number): Promise<void> {
  await world.db.query(
    `INSERT INTO outbox (tenant, session_key, turn_id, route_id, session_id, generation, principal,
       request_id, traceparent, reply, create_time, next_attempt_time)
     SELECT $1, CASE WHEN $4 = 1 THEN $2 ELSE $2 || n % $4 END, gen_random_uuid(), 'r1', 's', 1, 'p', 'r',
       '', '', clock_timestamp(), 'infinity'
     FROM generate_series(1, $3::int) n`,
    [TENANT, KEY, count, lanes],
  );
}

test("a lane of which as many replies as may wait for delivery takes no turn that would add to them, and loses none", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.delivery.isDown = true;
  await fill(world, LIMITS.unsentRepliesPerLane - 1, 1);
  const routed = { routeId: "r1" };
  const last = turnFor(world, "last", { ...routed, idempotencyKey: "last" });
  await new Attached(replica, { submit: last }).ended;
  const refusal = {
    reason: "QUEUE_FULL",
    message: "1000 replies of the lane wait for delivery, as many as may; their turns are kept",
    metadata: { bound: "unsent_replies_per_lane", limit: "1000" },
    retryAfterMs: 10_000,
  };
  const refused = (text: string, more = {}) =>
    expect(
      replica.client.submitTurn(turnFor(world, text, { ...routed, ...more })),
    ).rejects.toMatchObject(refusal);
  await refused("one more");
  // Neither may one that looks at the lane first; and what it would have stopped or dropped stands.
  await refused("interrupts", { onConflict: 3 });
  await refused("resends", { messages: [user("first"), user("second")] });
  // A repeat of what was accepted is no new turn.
  expect(await replica.client.submitTurn(last)).toMatchObject({ disposition: Disposition.JOINED });
  // Who is attached, or speaks elsewhere, is answered as ever.
  await new Attached(replica, { submit: turnFor(world, "here") }).ended;
  const elsewhere = { ...routed, key: "agent:main:elsewhere" };
  await new Attached(replica, { submit: turnFor(world, "elsewhere", elsewhere) }).ended;
  world.delivery.isDown = false;
  await world.db.query("DELETE FROM outbox WHERE reply = ''");
  await world.db.query("UPDATE outbox SET next_attempt_time = clock_timestamp()");
  const rest = async () => (await world.db.query("SELECT FROM outbox")).rowCount;
  await eventually(async () => {
    await replica.context.sweeper.sweepOnce();
    return (await rest()) === 0;
  });
  await new Attached(replica, { submit: turnFor(world, "again", routed) }).ended;
});

test("what a subagent found is told its session though the lane's outbox is full", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { tools: ["sessions_spawn"] });
  const { handed } = deliverTo(world, replica);
  const done = gate();
  world.model.behaviour = parentOf(waitsFor(done.opened), false);
  const submit = turnFor(world, "spawn task", { routeId: "r1" });
  await new Attached(replica, { submit }).ended;
  await fill(world, LIMITS.unsentRepliesPerLane, 1);
  await expect(
    replica.client.submitTurn(turnFor(world, "more", { routeId: "r1" })),
  ).rejects.toMatchObject({ reason: "QUEUE_FULL" });
  done.open();
  await eventually(() => handed.length === 1);
});

test("a tenant of which as many replies as may wait takes no turn that would add to them, in any lane", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.delivery.isDown = true;
  const accepted = turnFor(world, "first", { routeId: "r1", idempotencyKey: "first" });
  await new Attached(replica, { submit: accepted }).ended;
  await fill(world, LIMITS.unsentRepliesPerTenant - 1, 1_000);
  await replica.context.relay.backlog.measure();
  await expect(
    replica.client.submitTurn(turnFor(world, "more", { routeId: "r1" })),
  ).rejects.toMatchObject({
    reason: "QUOTA",
    metadata: { bound: "unsent_replies_per_tenant", limit: "100000" },
    retryAfterMs: 10_000,
  });
  expect(await replica.client.submitTurn(accepted)).toMatchObject({
    disposition: Disposition.JOINED,
  });
  await new Attached(replica, { submit: turnFor(world, "here") }).ended;
  const [gone] = (await world.db.query<{ id: bigint }>("SELECT max(outbox_id) AS id FROM outbox"))
    .rows;
  await world.db.query("DELETE FROM outbox WHERE outbox_id = $1", [gone?.id]);
  await replica.context.relay.backlog.measure();
  await replica.client.submitTurn(turnFor(world, "more", { routeId: "r1" }));
});
