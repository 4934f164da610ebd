import type { DeliveryClient } from "@lanekeeper/client";
import { eventually, gate, startWebhookSink } from "@lanekeeper/testing";
import { expect, onTestFinished, test } from "vitest";
import { registerWebhook, reply, untilState } from "../testing/replies.ts";
import { QUICK } from "../testing/test-delivery.ts";
import { testSending } from "../testing/test-sending.ts";

const sending = testSending();
const LIMITS = { ...QUICK, sendsPerReplica: 4, sendsPerTenant: 3 };

/** Replies on so many routes of a tenant, whose receiver takes each post and does not answer. */
async function hang(client: DeliveryClient, routes: number) {
  const sink = await startWebhookSink();
  const answering = gate();
  onTestFinished(async () => {
    answering.open();
    await sink[Symbol.asyncDispose]();
  });
  for (let n = 0; n < routes; n++) {
    sink.next({ gate: answering });
    const { routeId } = await registerWebhook(client, `${sink.url}/${n}`);
    await client.enqueueDelivery(reply(routeId, `turn-${n}`));
  }
  return { sink, answering };
}

async function arrives(client: DeliveryClient) {
  const { routeId } = await registerWebhook(client, sending.sink.url);
  const { deliveryId } = await client.enqueueDelivery(reply(routeId, "turn-1"));
  await untilState(client, deliveryId, "SENT");
}

test("a tenant whose receivers are slow keeps no reply of another waiting", async () => {
  const replica = await sending.startReplica({ limits: LIMITS });
  const { sink } = await hang(replica.as("runner", "hog"), 8);
  await eventually(() => sink.posts.length === 3);
  await arrives(replica.as("runner", "acme"));
  expect(sink.posts).toHaveLength(3);
});

test("the next room goes to whoever has the fewest sends, not to what has waited longest", async () => {
  const replica = await sending.startReplica({ limits: LIMITS });
  const hogs = await hang(replica.as("runner", "hog"), 8);
  await eventually(() => hogs.sink.posts.length === 3);
  const others = await hang(replica.as("runner", "other"), 1);
  await others.sink.post(0);
  const arriving = arrives(replica.as("runner", "acme"));
  others.answering.open();
  await arriving;
  expect(hogs.sink.posts).toHaveLength(3);
  hogs.answering.open();
  await eventually(() => hogs.sink.posts.length === 8, { what: "all that waited goes out" });
});

test("a route whose receiver is slow goes on once others have had their turn", async () => {
  const replica = await sending.startReplica({ limits: { ...LIMITS, sendingOnMs: 0 } });
  const { runner, routeId } = {
    runner: replica.as("runner"),
    ...(await registerWebhook(replica.as("runner"), sending.sink.url)),
  };
  const ids: string[] = [];
  for (const turn of ["turn-1", "turn-2", "turn-3"]) {
    ids.push((await runner.enqueueDelivery(reply(routeId, turn))).deliveryId);
  }
  await untilState(runner, ids[2] ?? "", "SENT");
  expect(sending.sink.posts.map(({ id }) => id)).toEqual(ids);
});
