import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { DeliveryClient } from "@lanekeeper/client";
import { RedriveGeneration } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { OnFailure, OnUnknown, RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { LanekeeperError } from "@lanekeeper/rpc";
import { systemIds } from "@lanekeeper/service";
import { eventually, gate, type SlackServer } from "@lanekeeper/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chatRoute, enqueueParts, SLACK, text } from "../testing/chat.ts";
import { type ChatWorld, startChatWorld } from "../testing/chat-world.ts";
import type { IdentityStandIn } from "../testing/identity-stand-in.ts";
import { SESSION_KEY, untilState } from "../testing/replies.ts";
import type { TestDelivery } from "../testing/test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "../testing/test-schemas.ts";

let schemas: TestSchemas;
let world: ChatWorld;
let identity: IdentityStandIn;
let slack: SlackServer;
let delivery: TestDelivery;
let runner: DeliveryClient;
let ingress: DeliveryClient;

beforeAll(async () => {
  schemas = await startTestSchemas();
});
afterAll(() => schemas[Symbol.asyncDispose]());
beforeEach(async () => {
  world = await startChatWorld(await schemas.open(), { routesPerMove: 2 });
  ({ identity, slack, delivery } = world);
  [runner, ingress] = [world.as("runner"), world.as("ingress")];
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
  await schemas.giveBack();
});

const POST = "chat.postMessage";
const [OLD, NEW] = ["G0OLD", "C0NEW"];
const moveAt = (address: string, newAddress: string, atMs: number) =>
  ingress.moveRoutes({ ...SLACK, address, newAddress, changeTime: timestampFromMs(atMs) });
const move = () => moveAt(OLD, NEW, Date.now() - 5_000);
const routeTo = (address: string, threadId = "") =>
  chatRoute(runner, { ...SLACK, address, threadId });
const say = (routeId: string, said: string) => enqueueParts(runner, routeId, said, [text(said)]);
const said = () => slack.messages.map(({ channel, text: words }) => `${channel} ${words}`);
const outcomesOf = async (deliveryId: string) =>
  (await runner.getDelivery({ deliveryId })).attempts.map(({ outcome }) => outcome);

test("what waits for a channel's old id goes to the new one, in order, and so does what is said later", async () => {
  const routeId = await routeTo(OLD);
  const hold = gate();
  slack.next(POST, { gate: hold });
  const ids = [await say(routeId, "one"), await say(routeId, "two")];
  await slack.call(POST, 0);
  slack.renamed.set(OLD, NEW);
  expect(await move()).toMatchObject({ address: NEW });
  // From either id the conversation has the one route, behind what waits there.
  expect([await routeTo(NEW), await routeTo(OLD)]).toEqual([routeId, routeId]);
  ids.push(await say(routeId, "three"));
  hold.open();
  for (const id of ids) await untilState(runner, id, "SENT");
  expect(said()).toEqual([`${NEW} one`, `${NEW} two`, `${NEW} three`]);
  expect(await outcomesOf(ids[0] ?? "")).toEqual(["sent", "moved"]);
  expect(identity.equivalences).toContain(`main ${OLD} = ${NEW}`);
  const { changes } = await runner.listRouteChanges({ routeId });
  expect(changes[0]).toMatchObject({
    note: `the conversation became ${NEW}`,
    route: { address: NEW },
  });
});

test("all threads of a channel move, in portions", async () => {
  const threads = ["1.1", "1.2", "1.3", "1.4", "1.5"];
  const before = await Promise.all(threads.map((thread) => routeTo(OLD, thread)));
  await move();
  const { routes } = await runner.listRoutes({ sessionKey: SESSION_KEY });
  expect(routes.map(({ address }) => address)).toEqual(threads.map(() => NEW));
  expect(await Promise.all(threads.map((thread) => routeTo(NEW, thread)))).toEqual(before);
});

describe("a reply that died before the move was told", () => {
  test("is sent to the new id when it is redriven, and what it blocks goes behind it", async () => {
    slack.renamed.set(OLD, NEW);
    const policy = { policy: { onFailure: OnFailure.BLOCK } };
    const { route } = await runner.registerRoute({
      ...{ sessionKey: SESSION_KEY, ...SLACK, address: OLD },
      ...policy,
    });
    const dead = await say(route?.routeId ?? "", "one");
    await untilState(runner, dead, "FAILED");
    const behind = await say(route?.routeId ?? "", "two");
    await move();
    await ingress.redriveDelivery({
      ...{ requestId: "again", deliveryId: dead, generation: RedriveGeneration.OWN },
    });
    for (const id of [dead, behind]) await untilState(runner, id, "SENT");
    expect(said()).toEqual([`${NEW} one`, `${NEW} two`]);
  });
});

test("what perhaps arrived under the old id is looked for under the new one, and not posted again", async () => {
  const routeId = await chatRoute(runner, { ...SLACK, address: OLD }, OnUnknown.HOLD);
  slack.next(POST, { cut: "after" });
  const hold = gate();
  slack.next("conversations.history", { gate: hold });
  const deliveryId = await say(routeId, "one");
  await slack.call("conversations.history", 0);
  slack.renamed.set(OLD, NEW);
  await move();
  hold.open();
  await untilState(runner, deliveryId, "SENT");
  expect(said()).toEqual([`${OLD} one`]);
});

test("while a run holds the conversation nothing moves, no reply dies, and no second route is made", async () => {
  const routeId = await routeTo(OLD);
  slack.renamed.set(OLD, NEW);
  let isBusy = true;
  identity.beforeEquivalence = () => {
    if (isBusy) throw new LanekeeperError("SESSION_BUSY", "a run holds it");
  };
  await expect(move()).rejects.toMatchObject({ reason: "SESSION_BUSY" });
  const deliveryId = await say(routeId, "one");
  await eventually(async () => (await outcomesOf(deliveryId)).includes("failed"));
  isBusy = false;
  await untilState(runner, deliveryId, "SENT");
  expect(said()).toEqual([`${NEW} one`]);
  expect(await routeTo(NEW)).toBe(routeId);
});

test("a route to the old id that was registered elsewhere meanwhile is the conversation's own at its next event", async () => {
  identity.beforeEquivalence = () => {
    throw new LanekeeperError("SESSION_BUSY", "a run holds it");
  };
  const routeId = await routeTo(OLD, "1.1");
  await expect(move()).rejects.toMatchObject({ reason: "SESSION_BUSY" });
  expect(await routeTo(NEW, "1.1")).toBe(routeId);
  const { routes } = await runner.listRoutes({ sessionKey: SESSION_KEY });
  expect(routes).toMatchObject([{ address: NEW }]);
});

test("there and back again is where it began, and the first notice told again changes nothing", async () => {
  const routeId = await routeTo(OLD);
  const beganMs = Date.now() - 60_000;
  expect(await moveAt(OLD, NEW, beganMs)).toMatchObject({ address: NEW });
  expect(await moveAt(NEW, OLD, beganMs + 1_000)).toMatchObject({ address: OLD });
  expect(await moveAt(OLD, NEW, beganMs)).toMatchObject({ address: OLD });
  await untilState(runner, await say(routeId, "one"), "SENT");
  expect(said()).toEqual([`${OLD} one`]);
  // Refused under the one id that stands, it is a dead letter: nothing leads round.
  slack.always(POST, { answer: { ok: false, error: "channel_not_found" } });
  const dead = await say(routeId, "two");
  await untilState(runner, dead, "FAILED");
  expect(await outcomesOf(dead)).toEqual(["refused"]);
  const { changes } = await runner.listRouteChanges({ routeId });
  expect(changes.map(({ route }) => route?.address)).toEqual([OLD, NEW, OLD]);
});

test("another tenant's account of the same name is another account", async () => {
  const other = delivery.as("runner", systemIds.uuid());
  const { route } = await other.registerRoute({ sessionKey: SESSION_KEY, ...SLACK, address: OLD });
  await move();
  const { routes } = await other.listRoutes({ sessionKey: SESSION_KEY });
  expect(routes).toMatchObject([{ routeId: route?.routeId, address: OLD }]);
});

describe("bad input changes nothing:", () => {
  const good = { ...SLACK, address: OLD, newAddress: NEW };

  test.each([
    ["kind", { kind: RouteKind.WEBHOOK }],
    ["kind", { kind: RouteKind.UNSPECIFIED }],
    ["account_id", { accountId: "" }],
    ["account_id", { accountId: "x".repeat(257) }],
    ["address", { address: "U0ADA" }],
    ["new_address", { newAddress: "-100" }],
    ["new_address", { newAddress: OLD }],
  ])("%s", async (field, more) => {
    await routeTo(OLD);
    await expect(ingress.moveRoutes({ ...good, ...more })).rejects.toMatchObject({
      reason: "INVALID_REQUEST",
      metadata: { field },
    });
    const { routes } = await runner.listRoutes({ sessionKey: SESSION_KEY });
    expect(routes).toMatchObject([{ address: OLD }]);
  });

  test("another service's", async () => {
    await expect(runner.moveRoutes(good)).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  });
});
