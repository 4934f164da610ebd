import { expect, test } from "vitest";
import { registerWebhook, reply } from "../testing/replies.ts";
import { QUICK } from "../testing/test-delivery.ts";
import { testSending } from "../testing/test-sending.ts";

const sending = testSending();
const MIB = 1024 * 1024;
/** The pages are as large as an answer may be: a busy machine takes its time. */
const SLOW = { timeoutMs: 60_000 };

test("replies that are too large for one answer are listed on several pages, none left out", async () => {
  // Nothing is claimed: there is room for no send.
  const replica = await sending.startReplica({ limits: { ...QUICK, sendsPerReplica: 0 } });
  const runner = replica.as("runner");
  const { routeId } = await registerWebhook(runner, sending.sink.url);
  const enqueued: string[] = [];
  for (const turn of ["a", "b", "c", "d", "e", "f"]) {
    const { deliveryId } = await runner.enqueueDelivery(
      reply(routeId, turn, turn.repeat(3.9 * MIB)),
      SLOW,
    );
    enqueued.unshift(deliveryId);
  }
  const listed: string[] = [];
  let pages = 0;
  for (let pageToken = ""; pages === 0 || pageToken !== ""; pages += 1) {
    const page = await runner.listDeliveries({ routeId, pageToken }, SLOW);
    listed.push(...page.deliveries.map(({ deliveryId }) => deliveryId));
    pageToken = page.nextPageToken;
  }
  expect(listed).toEqual(enqueued);
  expect(pages).toBeLessThan(enqueued.length);
});
