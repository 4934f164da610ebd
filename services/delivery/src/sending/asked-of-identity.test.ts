import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { OnFailure } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { LanekeeperError } from "@lanekeeper/rpc";
import { gate, startWebhookSink, eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { registerWebhook, reply, SESSION_ID, SESSION_KEY, untilState } from "../testing/replies.ts";
import { QUICK } from "../testing/test-delivery.ts";
import { testSending } from "../testing/test-sending.ts";

const sending = testSending();
const { startWithRoute } = sending;

test("a reply of a generation that was reset away is suppressed and nothing is sent", async () => {
  sending.identity.oldestDeliverable = 2n;
  const { runner, routeId } = await startWithRoute();
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await untilState(runner, deliveryId, "SUPPRESSED_STALE");
  await eventually(() => sending.identity.of(deliveryId).length === 1);
  expect(sending.identity.of(deliveryId)).toEqual(["settled 4"]);
  expect(sending.sink.posts).toEqual([]);
});

test("a reply that was reset away and whose time is over is no dead letter: it blocks nothing", async () => {
  sending.identity.oldestDeliverable = 2n;
  const { runner, routeId } = await startWithRoute();
  await runner.configureRoute({ routeId, policy: { onFailure: OnFailure.BLOCK } });
  const expireTime = timestampFromDate(new Date(Date.now() - 1_000));
  const late = { ...reply(routeId, "turn-1"), expireTime };
  const { deliveryId } = await runner.enqueueDelivery(late);
  await untilState(runner, deliveryId, "SUPPRESSED_STALE");
  const session = { sessionKey: SESSION_KEY, sessionId: SESSION_ID, generation: 2n };
  const next = await runner.enqueueDelivery({ ...reply(routeId, "turn-2"), session });
  await untilState(runner, next.deliveryId, "SENT");
});

test("a reply from before a restore may have been sent after the backup: it is unknown, and not sent", async () => {
  const raised = 1n + 2n ** 32n;
  sending.identity.oldestDeliverable = raised;
  // Reset since, which tells nothing of what was sent before.
  sending.identity.currentGeneration = raised + 1n;
  const { runner, routeId } = await startWithRoute();
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await untilState(runner, deliveryId, "UNKNOWN");
  await eventually(() => sending.identity.of(deliveryId).length === 1);
  expect(sending.identity.of(deliveryId)).toEqual(["settled 3"]);
  expect(sending.sink.posts).toEqual([]);
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
  sending.identity.oldestDeliverable = 2n;
  await untilState(runner, deliveryId, "SUPPRESSED_STALE");
  await eventually(() => sending.identity.of(deliveryId).length === 1);
  expect(sending.identity.of(deliveryId)).toEqual(["settled 4"]);
});

test("what session-identity has as sent is not sent again", async () => {
  sending.identity.beforeSending = () => {
    throw new LanekeeperError("SUPERSEDED", "the reply was sent");
  };
  const { runner, routeId } = await startWithRoute();
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await untilState(runner, deliveryId, "SENT");
  expect(sending.sink.posts).toEqual([]);
});

test("a reply of a session that nobody knows is a dead letter; a defect there is waited for", async () => {
  const { runner, routeId } = await startWithRoute();
  let calls = 0;
  sending.identity.beforeSending = () => {
    calls += 1;
    if (calls === 1) throw new Error("a defect");
    throw new LanekeeperError("NOT_FOUND", "no session");
  };
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  const failed = await untilState(runner, deliveryId, "FAILED");
  expect(failed).toMatchObject({ attemptCount: 2, lastError: "no session" });
  expect(sending.sink.posts).toEqual([]);
});

test("a reply that was claimed before the reset is unknown, never suppressed", async () => {
  const { runner, routeId } = await startWithRoute();
  sending.sink.next(() => {
    sending.identity.oldestDeliverable = 2n;
    return { status: 500 };
  });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await untilState(runner, deliveryId, "UNKNOWN");
  expect(sending.sink.posts).toHaveLength(1);
});

test("nothing is sent while session-identity is down; afterwards it is", async () => {
  const { runner, routeId } = await startWithRoute();
  await sending.identity.stop();
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await eventually(async () => {
    const { delivery } = await runner.getDelivery({ deliveryId });
    return delivery !== undefined && delivery.attemptCount > 1;
  });
  expect(sending.sink.posts).toEqual([]);
  await sending.identity.start();
  await untilState(runner, deliveryId, "SENT");
  expect(sending.sink.posts).toHaveLength(1);
});

test("an outage of session-identity does not make the receiver's pauses longer", async () => {
  const hours = { baseMs: 20, maxMs: 24 * 3_600_000 };
  const limits = { ...QUICK, retryBackoff: hours, fenceBackoff: { baseMs: 1, maxMs: 5 } };
  const { runner, routeId } = await startWithRoute({ limits });
  sending.identity.beforeSending = () => {
    throw new LanekeeperError("STORE_UNAVAILABLE", "no database");
  };
  sending.sink.next({ status: 500, body: "out of order" });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  await eventually(async () => {
    const { delivery } = await runner.getDelivery({ deliveryId });
    return (delivery?.attemptCount ?? 0) > 16;
  });
  sending.identity.beforeSending = () => undefined;
  await untilState(runner, deliveryId, "SENT");
  expect(sending.sink.posts).toHaveLength(2);
  const { rows } = await sending.db.query<{ failures: number; away: number }>(
    "SELECT failure_count AS failures, unavailable_count AS away FROM deliveries",
  );
  expect(rows).toEqual([{ failures: 1, away: 0 }]);
});

test("an outcome that could not be told is told when session-identity is back", async () => {
  const { replica, runner, routeId } = await startWithRoute();
  const answering = gate();
  sending.sink.next({ gate: answering });
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const within = { traceparent: `00-${trace}-b7ad6b7169203331-01` };
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"), within);
  await sending.sink.post(0);
  await sending.identity.stop();
  answering.open();
  await untilState(runner, deliveryId, "SENT");
  expect(sending.identity.of(deliveryId)).toEqual(["sending 1"]);
  // The attempt's own try, and a sweep's: both are of the reply's trace.
  const untold = () =>
    replica.log.lines.filter(({ msg }) => msg === "an outcome could not be told yet");
  await eventually(() => untold().length > 1);
  expect(new Set(untold().map(({ trace_id: id }) => id))).toEqual(new Set([trace]));
  await sending.identity.start();
  await eventually(() => sending.identity.of(deliveryId).includes("settled 1"));
});
