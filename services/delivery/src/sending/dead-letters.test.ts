import type { DeliveryClient } from "@lanekeeper/client";
import { RedriveGeneration } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { OnFailure, OnUnknown, RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { systemIds } from "@lanekeeper/service";
import { eventually, gate, startWebhookSink, type WebhookSink } from "@lanekeeper/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { DeliveryDatabase } from "../store/sql.ts";
import { IdentityStandIn } from "../testing/identity-stand-in.ts";
import { registerWebhook, reply, SESSION_KEY, untilState } from "../testing/replies.ts";
import { SECRET, startTestDelivery, type TestDelivery } from "../testing/test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "../testing/test-schemas.ts";

let schemas: TestSchemas;
let db: DeliveryDatabase;
let identity: IdentityStandIn;
let delivery: TestDelivery;
let runner: DeliveryClient;
let sink: WebhookSink;

beforeAll(async () => {
  schemas = await startTestSchemas();
  db = await schemas.open();
  identity = new IdentityStandIn(SECRET);
  await identity.start();
  delivery = await startTestDelivery(db, identity);
});
afterAll(async () => {
  await delivery[Symbol.asyncDispose]();
  await identity[Symbol.asyncDispose]();
  await schemas[Symbol.asyncDispose]();
});
beforeEach(async () => {
  identity.oldestDeliverable = 1n;
  identity.currentGeneration = 1n;
  sink = await startWebhookSink();
  runner = delivery.as("runner", systemIds.uuid());
});
afterEach(() => sink[Symbol.asyncDispose]());

const refusal = (reason: string) => expect.objectContaining({ reason });
const OWN = RedriveGeneration.OWN;
const CURRENT = RedriveGeneration.CURRENT;

async function route(policy: { onFailure?: OnFailure; onUnknown?: OnUnknown } = {}) {
  const { routeId } = await registerWebhook(runner, sink.url);
  await runner.configureRoute({ routeId, policy });
  return routeId;
}

/** Replies that are on the route, in order; the first one is refused for good. */
async function withDeadHead(routeId: string, turns: readonly string[]) {
  sink.next({ status: 410 });
  const ids: string[] = [];
  for (const turn of turns) {
    ids.push((await runner.enqueueDelivery(reply(routeId, turn))).deliveryId);
  }
  await untilState(runner, ids[0] ?? "", "FAILED");
  return ids as [string, ...string[]];
}

const postedIds = () => sink.posts.map(({ id }) => id);
const textOf = (index: number) => sink.posts[index]?.json as { readonly missing_before?: number };

test("skip: the route goes on, and the next reply says how many before it are missing", async () => {
  const routeId = await route();
  sink.next({ status: 410 });
  sink.next({ status: 410 });
  const ids: string[] = [];
  for (const turn of ["a", "b", "c", "d"]) {
    ids.push((await runner.enqueueDelivery(reply(routeId, turn))).deliveryId);
  }
  await untilState(runner, ids[3] ?? "", "SENT");
  expect(postedIds()).toEqual(ids);
  expect([0, 1, 2, 3].map((index) => textOf(index).missing_before)).toEqual([
    undefined,
    1,
    2,
    undefined,
  ]);
  expect((await runner.getDelivery({ deliveryId: ids[2] ?? "" })).delivery?.gapBefore).toBe(2);
});

test("block: those behind a dead letter wait for somebody; other routes go on", async () => {
  const routeId = await route({ onFailure: OnFailure.BLOCK });
  const [dead, second] = await withDeadHead(routeId, ["a", "b"]);
  await using elsewhere = await startWebhookSink();
  const other = await registerWebhook(runner, elsewhere.url);
  const free = await runner.enqueueDelivery(reply(other.routeId, "c"));
  await untilState(runner, free.deliveryId, "SENT");
  // What comes later waits, too: an enqueue must not wake the route.
  const third = await runner.enqueueDelivery(reply(routeId, "d"));
  const [blocked] = (await runner.listRoutes({ sessionKey: SESSION_KEY })).routes;
  expect(blocked?.blockedByDeliveryId).toBe(dead);
  expect(postedIds()).toEqual([dead]);

  const request = { requestId: "redrive-1", deliveryId: dead, generation: OWN };
  await runner.redriveDelivery(request);
  await untilState(runner, third.deliveryId, "SENT");
  expect(postedIds()).toEqual([dead, dead, second, third.deliveryId]);
  expect(textOf(2).missing_before).toBeUndefined();
});

test("block: a dismissed dead letter lets the route go on with a gap, and is listed no more", async () => {
  const routeId = await route({ onFailure: OnFailure.BLOCK });
  const [dead, second = ""] = await withDeadHead(routeId, ["a", "b"]);
  const listed = await runner.listDeliveries({ routeId, deadLettersOnly: true });
  expect(listed.deliveries.map(({ deliveryId }) => deliveryId)).toEqual([dead]);
  await runner.dismissDelivery({ deliveryId: dead, note: "nobody misses it" });
  await untilState(runner, second, "SENT");
  expect(textOf(1).missing_before).toBe(1);
  const after = await runner.listDeliveries({ routeId, deadLettersOnly: true });
  expect(after.deliveries).toEqual([]);
  const repeated = await runner.dismissDelivery({ deliveryId: dead, note: "again" });
  expect(repeated.delivery?.dismissTime).toBeDefined();
  const { acts } = await runner.getDelivery({ deliveryId: dead });
  expect(acts).toMatchObject([{ kind: 2, principal: "tester", note: "nobody misses it" }]);
});

test("block: making the route skip lets it go on with a gap", async () => {
  const routeId = await route({ onFailure: OnFailure.BLOCK });
  const [, second = ""] = await withDeadHead(routeId, ["a", "b"]);
  await runner.configureRoute({ routeId, policy: { onFailure: OnFailure.SKIP } });
  await untilState(runner, second, "SENT");
  expect(textOf(1).missing_before).toBe(1);
});

test("block: registering the place anew to skip lets it go on with a gap, too", async () => {
  const routeId = await route({ onFailure: OnFailure.BLOCK });
  const [, behind = ""] = await withDeadHead(routeId, ["a", "b"]);
  await runner.registerRoute({
    ...{ sessionKey: SESSION_KEY, kind: RouteKind.WEBHOOK, address: sink.url },
    policy: { onFailure: OnFailure.SKIP },
  });
  const sent = await untilState(runner, behind, "SENT");
  expect(sent.gapBefore).toBe(1);
  const { routes } = await runner.listRoutes({ sessionKey: SESSION_KEY });
  expect(routes.find((one) => one.routeId === routeId)?.blockedByDeliveryId).toBe("");
});

test("a dead letter that blocks its route outlives its retention", async () => {
  const routeId = await route({ onFailure: OnFailure.BLOCK });
  const [dead] = await withDeadHead(routeId, ["a"]);
  const free = await withDeadHead(await otherRoute(), ["b"]);
  await db.query("UPDATE deliveries SET end_time = end_time - interval '60 days'");
  const { removeExpired } = await import("../store/retention.ts");
  const { LIMITS } = await import("../limits.ts");
  await removeExpired(db, LIMITS);
  await runner.getDelivery({ deliveryId: dead });
  const gone = runner.getDelivery({ deliveryId: free[0] });
  await expect(gone).rejects.toEqual(refusal("NOT_FOUND"));
});

async function otherRoute(): Promise<string> {
  const { route: made } = await runner.registerRoute({
    ...{ sessionKey: SESSION_KEY, kind: 1, address: sink.url, threadId: "other" },
  });
  return made?.routeId ?? "";
}

test("hold: what may have arrived is not sent again by itself, and is told as UNKNOWN", async () => {
  const routeId = await route({ onUnknown: OnUnknown.HOLD });
  sink.next({ cut: true });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "a"));
  const second = await runner.enqueueDelivery(reply(routeId, "b"));
  const held = await untilState(runner, deliveryId, "UNKNOWN");
  expect(held.lastError).toMatch(/may have arrived, and the route holds/);
  await untilState(runner, second.deliveryId, "SENT");
  expect(postedIds()).toEqual([deliveryId, second.deliveryId]);
  await eventually(() => identity.of(deliveryId).at(-1) === "settled 3");
  const { attempts } = await runner.getDelivery({ deliveryId });
  expect(attempts.map(({ outcome }) => outcome)).toEqual(["held", "unknown"]);

  // Somebody looked, and wants it sent: the same id, so that the receiver can still tell.
  await runner.redriveDelivery({ requestId: "redrive-1", deliveryId, generation: OWN });
  await untilState(runner, deliveryId, "SENT");
  expect(postedIds().at(-1)).toBe(deliveryId);
});

test("hold: what died while sending is held, too", async () => {
  const routeId = await route({ onUnknown: OnUnknown.HOLD });
  const hang = gate();
  sink.next({ gate: hang });
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "a"));
  await sink.post(0);
  // As if its process were gone: the lease is over, and the next claim finds the attempt open.
  await db.query("UPDATE routes SET due_time = now() WHERE route_id = $1", [routeId]);
  await untilState(runner, deliveryId, "UNKNOWN");
  hang.open();
  expect(postedIds()).toEqual([deliveryId]);
});

test("redrive under its own generation: sent, stopped by the fence after a reset", async () => {
  const routeId = await route();
  const [dead] = await withDeadHead(routeId, ["a"]);
  identity.oldestDeliverable = 2n;
  const request = { requestId: "redrive-1", deliveryId: dead, generation: OWN };
  await runner.redriveDelivery(request);
  await untilState(runner, dead, "UNKNOWN");
  expect(postedIds()).toEqual([dead]);
});

test("redrive under the current generation is an explicit choice, under another name at the fence", async () => {
  const routeId = await route();
  const [dead] = await withDeadHead(routeId, ["a"]);
  identity.oldestDeliverable = 2n;
  identity.currentGeneration = 2n;
  const request = { requestId: "redrive-1", deliveryId: dead, note: "ticket 7" };
  const chosen = runner.redriveDelivery(request);
  await expect(chosen).rejects.toEqual(refusal("INVALID_REQUEST"));
  const generation = CURRENT;
  const other = runner.redriveDelivery({ ...request, generation, expectedGeneration: 3n });
  await expect(other).rejects.toEqual(refusal("GENERATION_MISMATCH"));
  await runner.redriveDelivery({ ...request, generation, expectedGeneration: 2n });
  const sent = await untilState(runner, dead, "SENT");
  expect(sent.session?.generation).toBe(2n);
  expect(postedIds()).toEqual([dead, dead]);
  expect(sent.fenceId).not.toBe("");
  await eventually(() => identity.of(sent.fenceId).length === 2);
  expect(identity.of(sent.fenceId)).toEqual(["sending 2", "settled 1"]);
  const { acts } = await runner.getDelivery({ deliveryId: dead });
  expect(acts).toMatchObject([
    { kind: 1, note: "ticket 7", previousState: 4, previousGeneration: 1n },
  ]);

  // A repeat of the same request tells how it stands; what has arrived cannot be redriven.
  const repeat = await runner.redriveDelivery({ ...request, generation });
  expect(repeat.delivery?.state).toBe(3);
  const again = runner.redriveDelivery({ ...request, requestId: "redrive-2", generation });
  await expect(again).rejects.toEqual(refusal("INVALID_REQUEST"));
  const dismissed = runner.dismissDelivery({ deliveryId: dead });
  await expect(dismissed).rejects.toEqual(refusal("INVALID_REQUEST"));
});

test("racers who redrive one dead letter have the effect of one", async () => {
  const routeId = await route();
  const [dead] = await withDeadHead(routeId, ["a"]);
  const racers = await Promise.allSettled(
    Array.from({ length: 6 }, (_, index) =>
      runner.redriveDelivery({ requestId: `r-${index}`, deliveryId: dead, generation: OWN }),
    ),
  );
  await untilState(runner, dead, "SENT");
  const { acts } = await runner.getDelivery({ deliveryId: dead });
  const done = racers.filter(({ status }) => status === "fulfilled");
  expect(acts).toHaveLength(done.length);
  expect(sink.posts).toHaveLength(1 + done.length);
});

test("a redriven one waits while another of its route is being sent, and goes before those behind", async () => {
  const routeId = await route();
  const [dead] = await withDeadHead(routeId, ["a"]);
  const answering = gate();
  sink.next({ gate: answering });
  const second = await runner.enqueueDelivery(reply(routeId, "b"));
  const third = await runner.enqueueDelivery(reply(routeId, "c"));
  await sink.post(1);
  await runner.redriveDelivery({ requestId: "redrive-1", deliveryId: dead, generation: OWN });
  const { rows } = await db.query<{ n: number }>(
    "SELECT count(*)::int AS n FROM deliveries WHERE route_id = $1 AND state = 2",
    [routeId],
  );
  expect(rows).toEqual([{ n: 1 }]);
  answering.open();
  await untilState(runner, third.deliveryId, "SENT");
  expect(postedIds()).toEqual([dead, second.deliveryId, dead, third.deliveryId]);
});

test("another tenant's dead letter cannot be seen, redriven or dismissed", async () => {
  const [deliveryId] = await withDeadHead(await route(), ["a"]);
  const stranger = delivery.as("runner", systemIds.uuid());
  const redriven = stranger.redriveDelivery({ requestId: "r", deliveryId, generation: OWN });
  await expect(redriven).rejects.toEqual(refusal("NOT_FOUND"));
  await expect(stranger.dismissDelivery({ deliveryId })).rejects.toEqual(refusal("NOT_FOUND"));
  const { deliveries } = await stranger.listDeliveries({ deadLettersOnly: true });
  expect(deliveries).toEqual([]);
});
