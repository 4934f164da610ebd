import { isSignedWith, gate, startWebhookSink, eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { claimDue } from "../store/sending/claim-due.ts";
import { ReplySteps } from "../store/sending/reply-steps.ts";
import { registerWebhook, reply, untilState } from "../testing/replies.ts";
import { newDelivery } from "../testing/rows.ts";
import { QUICK } from "../testing/test-delivery.ts";
import { testSending } from "../testing/test-sending.ts";

const sending = testSending();
const { startReplica, startWithRoute } = sending;

test("a reply is posted once, signed, with its delivery id to dedupe by, and settled", async () => {
  const { runner, routeId, secret } = await startWithRoute();
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1", "hello"));

  const post = await sending.sink.post(0);
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
  await eventually(() => sending.identity.of(deliveryId).length === 2);
  expect(sending.identity.of(deliveryId)).toEqual(["sending 1", "settled 1"]);
  expect(sending.sink.posts).toHaveLength(1);
});

test("an idle replica sends a local enqueue at once, not at its next poll", async () => {
  const { runner, routeId } = await startWithRoute({ limits: { ...QUICK, pollMs: 600_000 } });
  await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await sending.sink.post(0);
});

test("after a 500 the same reply is sent again under the same id", async () => {
  const { runner, routeId } = await startWithRoute();
  sending.sink.next({ status: 500, body: "out of order" });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  const sent = await untilState(runner, deliveryId, "SENT");
  expect(sent.attemptCount).toBe(2);
  expect(sending.sink.posts.map(({ id }) => id)).toEqual([deliveryId, deliveryId]);
  expect(sending.sink.posts[0]?.body).toBe(sending.sink.posts[1]?.body);
  await eventually(() => sending.identity.of(deliveryId).length === 4);
  expect(sending.identity.of(deliveryId)).toEqual([
    "sending 1",
    "settled 2",
    "sending 2",
    "settled 1",
  ]);
});

test("410 ends the delivery and lets the route go on", async () => {
  const { runner, routeId } = await startWithRoute();
  sending.sink.next({ status: 410, body: "no hook\nhere" });
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
  sending.sink.next({ status: 307, headers: { location: elsewhere.url } });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await untilState(runner, deliveryId, "FAILED");
  expect(elsewhere.posts).toEqual([]);
});

test("a receiver that does not answer is cut off; the attempt is unknown and made again", async () => {
  const { runner, routeId } = await startWithRoute({ limits: { ...QUICK, postMs: 250 } });
  const hang = gate();
  sending.sink.next({ gate: hang });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await untilState(runner, deliveryId, "SENT");
  hang.open();
  // A busy machine may let the second one run out of its 250 ms, too.
  expect(sending.sink.posts.length).toBeGreaterThan(1);
  expect(new Set(sending.sink.posts.map(({ id }) => id))).toEqual(new Set([deliveryId]));
  await eventually(() => sending.identity.of(deliveryId).at(-1) === "settled 1");
  expect(sending.identity.of(deliveryId).slice(0, 3)).toEqual([
    "sending 1",
    "settled 3",
    "sending 2",
  ]);
});

test("a connection that is cut before the answer is unknown, and the reply is sent again", async () => {
  const { runner, routeId } = await startWithRoute();
  sending.sink.next({ cut: true });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await untilState(runner, deliveryId, "SENT");
  expect(sending.sink.posts).toHaveLength(2);
  await eventually(() => sending.identity.of(deliveryId).length === 4);
  expect(sending.identity.of(deliveryId)[1]).toBe("settled 3");
});

test("Retry-After keeps the next attempt back", async () => {
  const { runner, routeId } = await startWithRoute();
  sending.sink.next({ status: 429, headers: { "retry-after": "3600" } });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  const waiting = await eventually(async () => {
    const { delivery } = await runner.getDelivery({ deliveryId });
    return delivery?.attemptCount === 1 && delivery.lastError !== "" && delivery;
  });
  const dueS = Number(waiting.nextAttemptTime?.seconds ?? 0n);
  expect(dueS - Date.now() / 1_000).toBeGreaterThan(3_500);
  expect(sending.sink.posts).toHaveLength(1);
});

test("what died while sending is an unknown attempt, and is sent again under the same id", async () => {
  const { routeId } = await startWithRoute();
  const dead = await startDeadSend(routeId);
  const survivor = await startReplica({ replica: "delivery-2" });
  await untilState(survivor.as("runner"), dead.deliveryId, "SENT");
  expect(sending.sink.posts.map(({ id }) => id)).toEqual([dead.deliveryId]);
  await eventually(() => sending.identity.of(dead.deliveryId).length === 3);
  expect(sending.identity.of(dead.deliveryId)).toEqual(["settled 3", "sending 2", "settled 1"]);
  const { rows } = await sending.db.query<{ outcome: string }>(
    "SELECT outcome FROM attempts ORDER BY attempt",
  );
  expect(rows.map(({ outcome }) => outcome)).toEqual(["unknown", "sent"]);
});

/** A delivery whose sender is gone: SENDING, by nobody, with a lease that has run out. */
async function startDeadSend(routeId: string) {
  await Promise.all(sending.replicas.map(({ running }) => running.drain(AbortSignal.timeout(0))));
  const delivery = newDelivery(routeId, "turn-1");
  await new ReplySteps(sending.db, "delivery-0", QUICK).enqueue(delivery);
  await claimDue(sending.db, { replica: "delivery-0", leaseMs: 0 }, 1);
  return delivery;
}

test("a receiver that is down is tried again and keeps its order; other routes go on", async () => {
  const { runner, routeId } = await startWithRoute();
  await using other = await startWebhookSink();
  const free = await registerWebhook(runner, other.url);
  sending.sink.always({ status: 503 });
  const turns = ["turn-1", "turn-2", "turn-3"];
  const ids: string[] = [];
  for (const turn of turns) {
    ids.push((await runner.enqueueDelivery(reply(routeId, turn))).deliveryId);
  }
  await sending.sink.post(2);
  await runner.enqueueDelivery(reply(free.routeId, "turn-4"));
  await other.post(0);
  expect(new Set(sending.sink.posts.map(({ id }) => id))).toEqual(new Set([ids[0]]));
  sending.sink.always({});
  await untilState(runner, ids[2] ?? "", "SENT");
  const order = sending.sink.posts
    .map(({ id }) => id)
    .filter((id, index, all) => id !== all[index - 1]);
  expect(order).toEqual(ids);
});

test("past its expire_time a reply is a dead letter and is not sent late", async () => {
  const { runner, routeId } = await startWithRoute();
  const expireTime = { seconds: BigInt(Math.floor(Date.now() / 1_000) - 10), nanos: 0 };
  const { deliveryId } = await runner.enqueueDelivery({ ...reply(routeId, "turn-1"), expireTime });
  const failed = await untilState(runner, deliveryId, "FAILED");
  expect(failed.lastError).toBe("its expire_time has passed");
  expect(sending.sink.posts).toEqual([]);
});

test("a drain lets the send in progress finish and claims nothing more", async () => {
  const { replica, runner, routeId } = await startWithRoute();
  const answering = gate();
  sending.sink.next({ gate: answering });
  const first = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  const second = await runner.enqueueDelivery(reply(routeId, "turn-2"));
  await sending.sink.post(0);
  const drained = replica.running.drain(new AbortController().signal);
  answering.open();
  await drained;
  const { rows } = await sending.db.query<{ delivery_id: string; state: number }>(
    "SELECT delivery_id, state FROM deliveries ORDER BY route_seq",
  );
  expect(rows).toEqual([
    { delivery_id: first.deliveryId, state: 3 },
    { delivery_id: second.deliveryId, state: 1 },
  ]);
});
