import { create } from "@bufbuild/protobuf";
import type { DeliveryClient } from "@lanekeeper/client";
import { RedriveGeneration } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { SubmitTurnResponseSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { LanekeeperError, storeUnavailable } from "@lanekeeper/rpc";
import { eventually, gate } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { QUICK } from "../testing/test-delivery.ts";
import { testSending } from "../testing/test-sending.ts";
import { reply, SESSION_ID, SESSION_KEY, untilState } from "../testing/replies.ts";

const world = testSending();

/** Looks follow each other, and routes are nobody's who may have come back just now. */
const LIMITS = { ...QUICK, erasureSweepMs: 20, comesBackMs: 0 };

const erased = (sessionKey = SESSION_KEY) =>
  world.identity.erasures.add({ keys: [{ sessionKey, throughGeneration: 1n }] }).erasureId;

const untilDone = (erasureId: string) =>
  eventually(() => world.identity.erasures.reported.includes(erasureId), {
    what: "delivery reports the erasure",
  });

const repliesOf = async (runner: DeliveryClient, sessionKey = SESSION_KEY) =>
  (await runner.listDeliveries({ sessionKey })).deliveries.length;

test("a reply that is tried again in an hour does not hold up its erasure, nor is it sent again", async () => {
  const { runner, routeId } = await world.startWithRoute({ limits: LIMITS });
  world.sink.next({ status: 429, headers: { "retry-after": "3600" } });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "a"));
  await eventually(async () => {
    const { delivery } = await runner.getDelivery({ deliveryId });
    return delivery?.nextAttemptTime !== undefined && delivery.attemptCount === 1;
  });
  await runner.enqueueDelivery(reply(routeId, "b"));
  await untilDone(erased());
  expect(await repliesOf(runner)).toBe(0);
  expect((await runner.listRoutes({ sessionKey: SESSION_KEY })).routes).toEqual([]);
  expect(world.sink.posts).toHaveLength(1);
  // Of the one that session-identity knew it has been told how it ended: UNKNOWN, behind its first attempt's FAILED.
  expect(world.identity.of(deliveryId)).toEqual(["sending 1", "settled 2", "settled 3"]);
});

test("one that is being sent ends first; replicas look at the same time", async () => {
  const { runner, routeId } = await world.startWithRoute({ limits: LIMITS, replica: "a" });
  await world.startReplica({ limits: LIMITS, replica: "b" });
  const answering = gate();
  world.sink.next({ gate: answering });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "a"));
  await world.sink.post(0);
  const erasureId = erased();
  const { lists } = world.identity.erasures;
  await eventually(() => world.identity.erasures.lists > lists + 4);
  expect(await repliesOf(runner)).toBe(1);
  expect(world.identity.erasures.reported).toEqual([]);
  answering.open();
  await untilDone(erasureId);
  expect(await repliesOf(runner)).toBe(0);
  expect(world.identity.of(deliveryId)).toEqual(["sending 1", "settled 1"]);
});

test("what session-identity cannot be told stays until it can, and nothing goes while it is away", async () => {
  const { runner, routeId, replica } = await world.startWithRoute({ limits: LIMITS });
  const answering = gate();
  world.sink.next({ gate: answering });
  await runner.enqueueDelivery(reply(routeId, "a"));
  await world.sink.post(0);
  const erasureId = erased();
  await world.identity.stop();
  answering.open();
  await eventually(async () => {
    const { rows } = await world.db.query("SELECT FROM attempts WHERE untold IS NOT NULL");
    return rows.length > 0;
  });
  expect(await repliesOf(runner)).toBe(1);
  await world.identity.start();
  await untilDone(erasureId);
  expect(await repliesOf(runner)).toBe(0);
  const aboutErasures = replica.log.lines.filter(
    ({ level, sweep }) => sweep === "erasures" && level !== "debug",
  );
  expect(aboutErasures).toEqual([]);
});

test("a task's answer that waits is not told to its parent any more, though its key was not reset", async () => {
  const task = "agent:main:subagent:0190";
  let submits = 0;
  const submitTurn = () => {
    submits += 1;
    return submits === 1
      ? Promise.reject(storeUnavailable("the runner is away"))
      : Promise.resolve(create(SubmitTurnResponseSchema, { turnId: "told" }));
  };
  const retryBackoff = { baseMs: 3_600_000, maxMs: 3_600_000 };
  const replica = await world.startReplica({
    ...{ limits: { ...LIMITS, retryBackoff }, runner: { submitTurn }, random: () => 0.99 },
  });
  const runner = replica.as("runner");
  const parent = { sessionKey: task, kind: RouteKind.PARENT_SESSION, address: SESSION_KEY };
  const routeId = (await runner.registerRoute(parent)).route?.routeId ?? "";
  const session = { sessionKey: task, sessionId: SESSION_ID, generation: 1n };
  const { deliveryId } = await runner.enqueueDelivery({ ...reply(routeId, "answer"), session });
  await eventually(async () => {
    const { delivery } = await runner.getDelivery({ deliveryId });
    return delivery?.attemptCount === 1 && delivery.state === 1;
  });
  await untilDone(erased(task));
  expect(await repliesOf(runner, task)).toBe(0);
  expect(submits).toBe(1);
});

test("a dead letter of another conversation whose address was erased cannot be redriven, and can be dismissed", async () => {
  const { runner, routeId } = await world.startWithRoute({ limits: LIMITS });
  const other = { sessionKey: "agent:main:cron:daily", sessionId: SESSION_ID, generation: 1n };
  world.sink.next({ status: 410 });
  const sent = await runner.enqueueDelivery({ ...reply(routeId, "daily"), session: other });
  await untilState(runner, sent.deliveryId, "FAILED");
  await untilDone(erased());
  const { deliveryId } = sent;
  const redriven = runner.redriveDelivery({
    ...{ requestId: "again", deliveryId, generation: RedriveGeneration.OWN },
  });
  await expect(redriven).rejects.toThrow(LanekeeperError);
  await expect(redriven).rejects.toMatchObject({ reason: "NOT_FOUND" });
  await untilState(runner, deliveryId, "FAILED");
  await runner.dismissDelivery({ deliveryId });
  const late = runner.enqueueDelivery({ ...reply(routeId, "next"), session: other });
  await expect(late).rejects.toMatchObject({ reason: "NOT_FOUND" });
});
