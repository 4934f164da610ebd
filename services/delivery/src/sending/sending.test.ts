import { LanekeeperError } from "@lanekeeper/rpc";
import {
  isSignedWith,
  gate,
  startWebhookSink,
  type WebhookSink,
  eventually,
} from "@lanekeeper/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { claimDue } from "../store/sending/claim-due.ts";
import { ReplySteps } from "../store/sending/reply-steps.ts";
import type { DeliveryDatabase } from "../store/sql.ts";
import { IdentityStandIn } from "../testing/identity-stand-in.ts";
import { registerWebhook, reply, untilState } from "../testing/replies.ts";
import { newDelivery } from "../testing/rows.ts";
import { QUICK, SECRET, startTestDelivery, type TestDelivery } from "../testing/test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "../testing/test-schemas.ts";

let schemas: TestSchemas;
let db: DeliveryDatabase;
let identity: IdentityStandIn;
let sink: WebhookSink;
const replicas: TestDelivery[] = [];

beforeAll(async () => {
  schemas = await startTestSchemas();
});
afterAll(() => schemas[Symbol.asyncDispose]());

beforeEach(async () => {
  db = await schemas.open();
  identity = new IdentityStandIn(SECRET);
  await identity.start();
  sink = await startWebhookSink();
});
afterEach(async () => {
  await Promise.all(replicas.splice(0).map((replica) => replica[Symbol.asyncDispose]()));
  await identity[Symbol.asyncDispose]();
  await sink[Symbol.asyncDispose]();
});

async function startReplica(
  overrides: Parameters<typeof startTestDelivery>[2] = {},
): Promise<TestDelivery> {
  const replica = await startTestDelivery(db, identity, overrides);
  replicas.push(replica);
  return replica;
}

async function startWithRoute(overrides: Parameters<typeof startTestDelivery>[2] = {}) {
  const replica = await startReplica(overrides);
  const runner = replica.as("runner");
  const { routeId, secret } = await registerWebhook(runner, sink.url);
  return { replica, runner, routeId, secret };
}

test("a reply is posted once, signed, with its delivery id to dedupe by, and settled", async () => {
  const { runner, routeId, secret } = await startWithRoute();
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1", "hello"));

  const post = await sink.post(0);
  expect(post.id).toBe(deliveryId);
  expect(isSignedWith(post, secret)).toBe(true);
  expect(post.json).toMatchObject({
    type: "reply",
    delivery_id: deliveryId,
    session: { key: "agent:main:room", generation: 1 },
    turn_id: "turn-1",
    text: "hello",
    parts: [{ type: "text", text: "hello" }],
  });
  const sent = await untilState(runner, deliveryId, "SENT");
  expect(sent.attemptCount).toBe(1);
  await eventually(() => identity.of(deliveryId).length === 2);
  expect(identity.of(deliveryId)).toEqual(["sending 1", "settled 1"]);
  expect(sink.posts).toHaveLength(1);
});

test("an idle replica sends a local enqueue at once, not at its next poll", async () => {
  const { runner, routeId } = await startWithRoute({ limits: { ...QUICK, pollMs: 600_000 } });
  await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await sink.post(0);
});

test("after a 500 the same reply is sent again under the same id", async () => {
  const { runner, routeId } = await startWithRoute();
  sink.next({ status: 500, body: "out of order" });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  const sent = await untilState(runner, deliveryId, "SENT");
  expect(sent.attemptCount).toBe(2);
  expect(sink.posts.map(({ id }) => id)).toEqual([deliveryId, deliveryId]);
  expect(sink.posts[0]?.body).toBe(sink.posts[1]?.body);
  await eventually(() => identity.of(deliveryId).length === 4);
  expect(identity.of(deliveryId)).toEqual(["sending 1", "settled 2", "sending 2", "settled 1"]);
});

test("410 ends the delivery and lets the route go on", async () => {
  const { runner, routeId } = await startWithRoute();
  sink.next({ status: 410, body: "no hook\nhere" });
  const first = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  const second = await runner.enqueueDelivery(reply(routeId, "turn-2"));
  const failed = await untilState(runner, first.deliveryId, "FAILED");
  expect(failed.lastError).toBe("the receiver answered 410: no hook here");
  expect(failed.endTime).toBeDefined();
  await untilState(runner, second.deliveryId, "SENT");
});

test("a redirect is not followed", async () => {
  await using elsewhere = await startWebhookSink();
  const { runner, routeId } = await startWithRoute();
  sink.next({ status: 307, headers: { location: elsewhere.url } });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await untilState(runner, deliveryId, "FAILED");
  expect(elsewhere.posts).toEqual([]);
});

test("a receiver that does not answer is cut off; the attempt is unknown and made again", async () => {
  const { runner, routeId } = await startWithRoute({ limits: { ...QUICK, postMs: 250 } });
  const hang = gate();
  sink.next({ gate: hang });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await untilState(runner, deliveryId, "SENT");
  hang.open();
  // A busy machine may let the second one run out of its 250 ms, too.
  expect(sink.posts.length).toBeGreaterThan(1);
  expect(new Set(sink.posts.map(({ id }) => id))).toEqual(new Set([deliveryId]));
  await eventually(() => identity.of(deliveryId).at(-1) === "settled 1");
  expect(identity.of(deliveryId).slice(0, 3)).toEqual(["sending 1", "settled 3", "sending 2"]);
});

test("a connection that is cut before the answer is unknown, and the reply is sent again", async () => {
  const { runner, routeId } = await startWithRoute();
  sink.next({ cut: true });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await untilState(runner, deliveryId, "SENT");
  expect(sink.posts).toHaveLength(2);
  await eventually(() => identity.of(deliveryId).length === 4);
  expect(identity.of(deliveryId)[1]).toBe("settled 3");
});

test("Retry-After keeps the next attempt back", async () => {
  const { runner, routeId } = await startWithRoute();
  sink.next({ status: 429, headers: { "retry-after": "3600" } });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  const waiting = await eventually(async () => {
    const { delivery } = await runner.getDelivery({ deliveryId });
    return delivery?.attemptCount === 1 && delivery.lastError !== "" && delivery;
  });
  const dueS = Number(waiting.nextAttemptTime?.seconds ?? 0n);
  expect(dueS - Date.now() / 1_000).toBeGreaterThan(3_500);
  expect(sink.posts).toHaveLength(1);
});

test("a reply of a generation that was reset away is suppressed and nothing is sent", async () => {
  identity.oldestDeliverable = 2n;
  const { runner, routeId } = await startWithRoute();
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await untilState(runner, deliveryId, "SUPPRESSED_STALE");
  await eventually(() => identity.of(deliveryId).length === 1);
  expect(identity.of(deliveryId)).toEqual(["settled 4"]);
  expect(sink.posts).toEqual([]);
});

test("a reply that was reset away is suppressed, though its receiver cannot be connected to", async () => {
  const { runner } = await startWithRoute();
  const gone = await startWebhookSink();
  const { routeId } = await registerWebhook(runner, gone.url);
  await gone[Symbol.asyncDispose]();
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await eventually(async () => {
    const { delivery } = await runner.getDelivery({ deliveryId });
    return (delivery?.attemptCount ?? 0) > 0;
  });
  identity.oldestDeliverable = 2n;
  await untilState(runner, deliveryId, "SUPPRESSED_STALE");
  await eventually(() => identity.of(deliveryId).length === 1);
  expect(identity.of(deliveryId)).toEqual(["settled 4"]);
});

test("what session-identity has as sent is not sent again", async () => {
  identity.beforeSending = () => {
    throw new LanekeeperError("SUPERSEDED", "the reply was sent");
  };
  const { runner, routeId } = await startWithRoute();
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await untilState(runner, deliveryId, "SENT");
  expect(sink.posts).toEqual([]);
});

test("a reply of a session that nobody knows is a dead letter; a defect there is waited for", async () => {
  const { runner, routeId } = await startWithRoute();
  let calls = 0;
  identity.beforeSending = () => {
    calls += 1;
    if (calls === 1) throw new Error("a defect");
    throw new LanekeeperError("NOT_FOUND", "no session");
  };
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  const failed = await untilState(runner, deliveryId, "FAILED");
  expect(failed).toMatchObject({ attemptCount: 2, lastError: "no session" });
  expect(sink.posts).toEqual([]);
});

test("a reply that was claimed before the reset is unknown, never suppressed", async () => {
  const { runner, routeId } = await startWithRoute();
  sink.next(() => {
    identity.oldestDeliverable = 2n;
    return { status: 500 };
  });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await untilState(runner, deliveryId, "UNKNOWN");
  expect(sink.posts).toHaveLength(1);
});

test("nothing is sent while session-identity is down; afterwards it is", async () => {
  const { runner, routeId } = await startWithRoute();
  await identity.stop();
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await eventually(async () => {
    const { delivery } = await runner.getDelivery({ deliveryId });
    return delivery !== undefined && delivery.attemptCount > 1;
  });
  expect(sink.posts).toEqual([]);
  await identity.start();
  await untilState(runner, deliveryId, "SENT");
  expect(sink.posts).toHaveLength(1);
});

test("an outcome that could not be told is told when session-identity is back", async () => {
  const { replica, runner, routeId } = await startWithRoute();
  const answering = gate();
  sink.next({ gate: answering });
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const within = { traceparent: `00-${trace}-b7ad6b7169203331-01` };
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"), within);
  await sink.post(0);
  await identity.stop();
  answering.open();
  await untilState(runner, deliveryId, "SENT");
  expect(identity.of(deliveryId)).toEqual(["sending 1"]);
  // The attempt's own try, and a sweep's: both are of the reply's trace.
  const untold = () =>
    replica.log.lines.filter(({ msg }) => msg === "an outcome could not be told yet");
  await eventually(() => untold().length > 1);
  expect(new Set(untold().map(({ trace_id: id }) => id))).toEqual(new Set([trace]));
  await identity.start();
  await eventually(() => identity.of(deliveryId).includes("settled 1"));
});

test("what died while sending is an unknown attempt, and is sent again under the same id", async () => {
  const { routeId } = await startWithRoute();
  const dead = await startDeadSend(routeId);
  const survivor = await startReplica({ replica: "delivery-2" });
  await untilState(survivor.as("runner"), dead.deliveryId, "SENT");
  expect(sink.posts.map(({ id }) => id)).toEqual([dead.deliveryId]);
  await eventually(() => identity.of(dead.deliveryId).length === 3);
  expect(identity.of(dead.deliveryId)).toEqual(["settled 3", "sending 2", "settled 1"]);
  const { rows } = await db.query<{ outcome: string }>(
    "SELECT outcome FROM attempts ORDER BY attempt",
  );
  expect(rows.map(({ outcome }) => outcome)).toEqual(["unknown", "sent"]);
});

/** A delivery whose sender is gone: SENDING, by nobody, with a lease that has run out. */
async function startDeadSend(routeId: string) {
  await Promise.all(replicas.map(({ running }) => running.drain(AbortSignal.timeout(0))));
  const delivery = newDelivery(routeId, "turn-1");
  await new ReplySteps(db, "delivery-0", QUICK).enqueue(delivery);
  await claimDue(db, { replica: "delivery-0", leaseMs: 0 }, 1);
  return delivery;
}

test("a receiver that is down is tried again and keeps its order; other routes go on", async () => {
  const { runner, routeId } = await startWithRoute();
  await using other = await startWebhookSink();
  const free = await registerWebhook(runner, other.url);
  sink.always({ status: 503 });
  const turns = ["turn-1", "turn-2", "turn-3"];
  const ids: string[] = [];
  for (const turn of turns) {
    ids.push((await runner.enqueueDelivery(reply(routeId, turn))).deliveryId);
  }
  await sink.post(2);
  await runner.enqueueDelivery(reply(free.routeId, "turn-4"));
  await other.post(0);
  expect(new Set(sink.posts.map(({ id }) => id))).toEqual(new Set([ids[0]]));
  sink.always({});
  await untilState(runner, ids[2] ?? "", "SENT");
  const order = sink.posts.map(({ id }) => id).filter((id, index, all) => id !== all[index - 1]);
  expect(order).toEqual(ids);
});

test("past its expire_time a reply is a dead letter and is not sent late", async () => {
  const { runner, routeId } = await startWithRoute();
  const expireTime = { seconds: BigInt(Math.floor(Date.now() / 1_000) - 10), nanos: 0 };
  const { deliveryId } = await runner.enqueueDelivery({ ...reply(routeId, "turn-1"), expireTime });
  const failed = await untilState(runner, deliveryId, "FAILED");
  expect(failed.lastError).toBe("its expire_time has passed");
  expect(sink.posts).toEqual([]);
});

test("a drain lets the send in progress finish and claims nothing more", async () => {
  const { replica, runner, routeId } = await startWithRoute();
  const answering = gate();
  sink.next({ gate: answering });
  const first = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  const second = await runner.enqueueDelivery(reply(routeId, "turn-2"));
  await sink.post(0);
  const drained = replica.running.drain(new AbortController().signal);
  answering.open();
  await drained;
  const { rows } = await db.query<{ delivery_id: string; state: number }>(
    "SELECT delivery_id, state FROM deliveries ORDER BY route_seq",
  );
  expect(rows).toEqual([
    { delivery_id: first.deliveryId, state: 3 },
    { delivery_id: second.deliveryId, state: 1 },
  ]);
});
