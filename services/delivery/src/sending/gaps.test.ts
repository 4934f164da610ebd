import { RedriveGeneration } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { OnFailure } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { gate } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { reply, untilState } from "../testing/replies.ts";
import { testSending } from "../testing/test-sending.ts";

const sending = testSending();
const { startWithRoute } = sending;

/** A route, and what can be done on it. */
async function start() {
  const { runner, routeId } = await startWithRoute();
  const enqueue = async (turn: string) =>
    (await runner.enqueueDelivery(reply(routeId, turn))).deliveryId;
  /** One that its receiver refuses for good. */
  const dead = async (turn: string): Promise<string> => {
    sending.sink.next({ status: 410 });
    const deliveryId = await enqueue(turn);
    await untilState(runner, deliveryId, "FAILED");
    return deliveryId;
  };
  const redrive = (deliveryId: string, requestId = `redrive-${deliveryId}`) =>
    runner.redriveDelivery({ requestId, deliveryId, generation: RedriveGeneration.OWN });
  /** How many before it are missing, as its receiver was told at last. */
  const missingBefore = async (deliveryId: string) => {
    await untilState(runner, deliveryId, "SENT");
    const told = sending.sink.posts.findLast(({ id }) => id === deliveryId)?.json;
    return (told as { readonly missing_before?: number }).missing_before;
  };
  return { runner, routeId, enqueue, dead, redrive, missingBefore };
}

test("a dead letter that was redriven and arrived is not told as missing by the next reply", async () => {
  const { enqueue, dead, redrive, missingBefore } = await start();
  const first = await dead("a");
  await redrive(first);
  expect(await missingBefore(first)).toBeUndefined();
  expect(await missingBefore(await enqueue("b"))).toBeUndefined();
});

test("a dead letter that was redriven and died again is missing once", async () => {
  const { runner, enqueue, dead, redrive, missingBefore } = await start();
  const first = await dead("a");
  for (const id of ["r-1", "r-2"]) {
    sending.sink.next({ status: 410 });
    await redrive(first, id);
    await untilState(runner, first, "FAILED");
  }
  expect(await missingBefore(await enqueue("b"))).toBe(1);
});

test("what a redriven dead letter was told of itself is missing no more, the others are", async () => {
  const { enqueue, dead, redrive, missingBefore } = await start();
  await dead("a");
  const second = await dead("b");
  await dead("c");
  await redrive(second);
  // It tells of the one before it; the one behind it is left to the next.
  expect(await missingBefore(second)).toBe(1);
  expect(await missingBefore(await enqueue("d"))).toBe(1);
});

test("of dead letters that are redriven one after the other none is told as missing by those behind it", async () => {
  const { enqueue, dead, redrive, missingBefore } = await start();
  const all = [await dead("a"), await dead("b"), await dead("c")];
  for (const deliveryId of all) {
    await redrive(deliveryId);
    expect(await missingBefore(deliveryId)).toBeUndefined();
  }
  expect(await missingBefore(await enqueue("d"))).toBeUndefined();
});

test("nor by one that was redriven before and had to wait for it", async () => {
  const { runner, routeId, enqueue, dead, redrive, missingBefore } = await start();
  const [first, second] = [await dead("a"), await dead("b")];
  await runner.configureRoute({ routeId, policy: { onFailure: OnFailure.BLOCK } });
  const third = await dead("c");
  await redrive(second);
  await redrive(first);
  await runner.configureRoute({ routeId, policy: { onFailure: OnFailure.SKIP } });
  for (const deliveryId of [first, second]) {
    expect(await missingBefore(deliveryId)).toBeUndefined();
  }
  expect(await missingBefore(await enqueue("d"))).toBe(1);
  await redrive(third);
  expect(await missingBefore(third)).toBeUndefined();
});

test("a dead letter that the next reply has told of changes nothing about later ones when it is redriven", async () => {
  const { runner, enqueue, dead, redrive, missingBefore } = await start();
  const first = await dead("a");
  expect(await missingBefore(await enqueue("b"))).toBe(1);
  await dead("c");
  sending.sink.next({ status: 410 });
  await redrive(first);
  await untilState(runner, first, "FAILED");
  await redrive(first, "r-2");
  await untilState(runner, first, "SENT");
  expect(await missingBefore(await enqueue("d"))).toBe(1);
});

test("one that blocks its route was counted nowhere, and redriving it takes nothing from others", async () => {
  const { runner, routeId, enqueue, dead, redrive, missingBefore } = await start();
  await dead("a");
  await runner.configureRoute({ routeId, policy: { onFailure: OnFailure.BLOCK } });
  const second = await dead("b");
  await redrive(second);
  expect(await missingBefore(second)).toBe(1);
  expect(await missingBefore(await enqueue("c"))).toBeUndefined();
});

test("a gap of which a suppressed reply would have told is told by the next one that goes out", async () => {
  const { runner, routeId, enqueue, dead, missingBefore } = await start();
  await dead("a");
  const asked = gate();
  sending.identity.beforeSending = () => asked.opened;
  const reset = await enqueue("b");
  sending.identity.oldestDeliverable = 2n;
  asked.open();
  await untilState(runner, reset, "SUPPRESSED_STALE");
  const session = { ...reply(routeId, "c").session, generation: 2n };
  const { deliveryId } = await runner.enqueueDelivery({ ...reply(routeId, "c"), session });
  expect(await missingBefore(deliveryId)).toBe(1);
});
