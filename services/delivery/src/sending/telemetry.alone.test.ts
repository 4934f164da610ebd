import { recordSpans } from "@lanekeeper/service/testing";
import { eventually, startWebhookSink } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { IdentityStandIn } from "../testing/identity-stand-in.ts";
import { registerWebhook, reply, untilState } from "../testing/replies.ts";
import { SECRET, startTestDelivery } from "../testing/test-delivery.ts";
import { startTestSchemas } from "../testing/test-schemas.ts";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";

test("log, spans and counters tell of a reply by the turn's own ids, across the queue", async () => {
  await using spans = await recordSpans();
  await using schemas = await startTestSchemas();
  await using identity = new IdentityStandIn(SECRET);
  await identity.start();
  await using sink = await startWebhookSink({ status: 500 });
  sink.next({ status: 500 });
  sink.always({});
  await using delivery = await startTestDelivery(await schemas.open(), identity);
  const runner = delivery.as("runner");
  const { routeId } = await registerWebhook(runner, sink.url);
  const options = { traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01`, requestId: "label-1" };
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"), options);
  await untilState(runner, deliveryId, "SENT");
  await eventually(() => identity.of(deliveryId).length === 4);

  const about = {
    tenant: "acme",
    principal: "tester",
    session_key: "agent:main:room",
    generation: 1,
    turn_id: "turn-1",
    request_id: "label-1",
    trace_id: TRACE_ID,
    delivery_id: deliveryId,
  };
  const lines = () =>
    delivery.log.lines.filter(
      (line) => line["delivery_id"] === deliveryId && line["level"] !== "debug",
    );
  await expect.poll(lines).toMatchObject([
    { ...about, msg: "enqueued" },
    { ...about, msg: "delivery will be tried again", attempt: 1, outcome: "failed" },
    { ...about, msg: "delivered", attempt: 2, state: "SENT" },
  ]);

  // An attempt's span ends after session-identity was told.
  const attempts = await eventually(() => {
    const found = spans.finished().filter(({ name }) => name === "delivery.attempt");
    return found.length === 2 && found;
  });
  const claims = spans
    .finished()
    .filter(({ name, kind }) => name.endsWith("/WriteLifecycle") && kind === 2);
  expect(new Set([...attempts, ...claims].map((span) => span.spanContext().traceId))).toEqual(
    new Set([TRACE_ID]),
  );

  const metrics = () => delivery.metrics.registry.metrics();
  await expect
    .poll(metrics)
    .toMatch(/lanekeeper_delivery_attempt_seconds_count\{.*outcome="failed"\} 1/);
  await expect.poll(metrics).toMatch(/lanekeeper_delivery_seconds_count\{.*state="SENT"\} 1/);
});
