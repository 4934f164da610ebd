import type { DeliveryClient, RunnerClient } from "@lanekeeper/client";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { OnUnknown, RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import type { SubmitTurnRequest } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { LanekeeperError, storeUnavailable } from "@lanekeeper/rpc";
import { systemIds } from "@lanekeeper/service";
import { gate } from "@lanekeeper/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { enqueueParts, file, text } from "../../testing/chat.ts";
import { IdentityStandIn } from "../../testing/identity-stand-in.ts";
import { SESSION_KEY, untilState } from "../../testing/replies.ts";
import { SECRET, startTestDelivery, type TestDelivery } from "../../testing/test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "../../testing/test-schemas.ts";
import type { DeliveryDatabase } from "../../store/sql.ts";

/** The runner's door, which accepts each idempotency key once, whatever it then answers. */
class RunnerStandIn {
  readonly calls: { readonly request: SubmitTurnRequest; readonly tenant: string | undefined }[] =
    [];
  /** Idempotency keys in order of acceptance. */
  readonly accepted: string[] = [];
  /** Called after acceptance; what it throws is the answer. */
  answer: () => Promise<void> = async () => undefined;
  /** Called before; what it throws is a refusal. */
  refuse: () => void = () => undefined;

  readonly submitTurn = (async (init, options) => {
    const request = init as SubmitTurnRequest;
    this.calls.push({ request, tenant: options?.tenant });
    this.refuse();
    const { idempotencyKey } = request;
    if (!this.accepted.includes(idempotencyKey)) this.accepted.push(idempotencyKey);
    const { answer } = this;
    this.answer = async () => undefined;
    await answer();
    const turnId = `turn-of-${this.accepted.indexOf(idempotencyKey)}`;
    return { $typeName: "lanekeeper.runner.v1.SubmitTurnResponse", turnId };
  }) as RunnerClient["submitTurn"];
}

let schemas: TestSchemas;
let db: DeliveryDatabase;
let identity: IdentityStandIn;
let parentRunner: RunnerStandIn;
let delivery: TestDelivery;
let tenant: string;
let runner: DeliveryClient;
let routeId: string;

beforeAll(async () => {
  schemas = await startTestSchemas();
});
afterAll(() => schemas[Symbol.asyncDispose]());
beforeEach(async () => {
  db = await schemas.open();
  identity = new IdentityStandIn(SECRET);
  await identity.start();
  parentRunner = new RunnerStandIn();
  delivery = await startTestDelivery(db, identity, { runner: parentRunner });
  tenant = systemIds.uuid();
  runner = delivery.as("runner", tenant);
  const { route } = await runner.registerRoute({
    ...{ sessionKey: SESSION_KEY, kind: RouteKind.PARENT_SESSION, address: "agent:main:parent" },
    // Its idempotency key can always tell, so that this must make no difference.
    policy: { onUnknown: OnUnknown.HOLD },
  });
  routeId = route?.routeId ?? "";
});
afterEach(async () => {
  await delivery[Symbol.asyncDispose]();
  await identity[Symbol.asyncDispose]();
  await schemas.giveBack();
});

test("a subagent's answer becomes a system turn of its parent, with its files, by the delivery's id", async () => {
  const parts = [text("done"), file(Buffer.from("picture"), "image/png", "a.png")];
  const deliveryId = await enqueueParts(runner, routeId, "child-turn", parts);
  const sent = await untilState(runner, deliveryId, "SENT");
  expect(sent.providerMessageId).toBe("turn-of-0");
  expect(parentRunner.calls).toMatchObject([
    {
      tenant,
      request: {
        idempotencyKey: `delivery/${deliveryId}`,
        target: { case: "session", value: { sessionKey: "agent:main:parent" } },
        turnClass: TurnClass.SYSTEM,
        childTurnId: "child-turn",
      },
    },
  ]);
  const [message] = parentRunner.calls[0]?.request.messages ?? [];
  expect(message?.parts).toMatchObject([
    { content: { case: "text", value: "done" } },
    { content: { case: "file", value: { mediaType: "image/png", fileName: "a.png" } } },
  ]);
});

test("an answer that is lost after acceptance is asked for again: the parent has it once", async () => {
  parentRunner.answer = () => Promise.reject(new Error("the connection was cut"));
  const deliveryId = await enqueueParts(runner, routeId, "child-turn", [text("done")]);
  await untilState(runner, deliveryId, "SENT");
  expect(parentRunner.calls).toHaveLength(2);
  expect(parentRunner.accepted).toEqual([`delivery/${deliveryId}`]);
  const { attempts } = await runner.getDelivery({ deliveryId });
  expect(attempts.map(({ outcome }) => outcome)).toEqual(["sent", "unknown"]);
});

test("a delivery that dies while it submits is followed by another, and the parent has it once", async () => {
  const hanging = gate();
  parentRunner.answer = () => hanging.opened;
  const deliveryId = await enqueueParts(runner, routeId, "child-turn", [text("done")]);
  await expect.poll(() => parentRunner.calls.length).toBe(1);
  // As if its process were gone: the lease is over, and the next claim finds the attempt open.
  await db.query("UPDATE routes SET due_time = now() WHERE route_id = $1", [routeId]);
  await untilState(runner, deliveryId, "SENT");
  hanging.open();
  expect(parentRunner.accepted).toEqual([`delivery/${deliveryId}`]);
});

test("while the runner is away the answer waits; what it refuses for good is a dead letter", async () => {
  parentRunner.refuse = () => {
    throw parentRunner.calls.length < 3
      ? storeUnavailable("away")
      : new LanekeeperError("NOT_FOUND", "no such session");
  };
  const deliveryId = await enqueueParts(runner, routeId, "child-turn", [text("done")]);
  const dead = await untilState(runner, deliveryId, "FAILED");
  expect(dead).toMatchObject({ attemptCount: 3, lastError: "no such session" });
  expect(parentRunner.accepted).toEqual([]);
});

test("after a reset of the child nothing of what it said reaches the parent, which is told that it does not come", async () => {
  identity.oldestDeliverable = 2n;
  const refusals = [storeUnavailable("away"), new Error("the connection was cut")];
  parentRunner.refuse = () => {
    const refusal = refusals.shift();
    if (refusal !== undefined) throw refusal;
  };
  const deliveryId = await enqueueParts(runner, routeId, "child-turn", [text("done")]);
  await untilState(runner, deliveryId, "SUPPRESSED_STALE");
  expect(parentRunner.calls).toHaveLength(3);
  for (const { request } of parentRunner.calls) {
    expect(request).toMatchObject({ childTurnId: "child-turn", messages: [] });
  }
  expect(parentRunner.accepted).toEqual([`delivery/${deliveryId}`]);
  const { attempts } = await runner.getDelivery({ deliveryId });
  expect(attempts.map(({ outcome }) => outcome)).toEqual(["stale", "unavailable", "unavailable"]);
});

test("a parent that cannot be told of it any more keeps nothing waiting", async () => {
  identity.oldestDeliverable = 2n;
  parentRunner.refuse = () => {
    throw new LanekeeperError("NOT_FOUND", "no such session");
  };
  const deliveryId = await enqueueParts(runner, routeId, "child-turn", [text("done")]);
  await untilState(runner, deliveryId, "SUPPRESSED_STALE");
  expect(parentRunner.calls).toHaveLength(1);
});
