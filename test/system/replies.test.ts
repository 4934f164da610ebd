import { randomUUID } from "node:crypto";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import type { DeliveryClient, IdentityClient } from "@lanekeeper/client";
import { DeliveryState } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { Decision } from "@lanekeeper/protocol/lanekeeper/identity/v1/journal";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import {
  type Fence,
  Freshness,
  RotationReason,
  RunOutcome,
  type SessionRef,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { eventually, gate, startConstellation, startWebhookSink } from "@lanekeeper/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AsRunner, asRunner } from "../support/as-runner.ts";

let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;
let peers: AsRunner;
let identity: IdentityClient;
let delivery: DeliveryClient;

const CONFIG = `
tenants:
  default:
    default_agent: main
    agents:
      main: { model: scripted }
      drowsy: { model: scripted, keys: { idle_after: 1s } }
`;

beforeAll(async () => {
  const env = {
    LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: "127.0.0.0/8",
    LANEKEEPER_DELIVERY_LEASE_MS: "6000",
  };
  lanekeeper = await startConstellation({ config: CONFIG, env });
  peers = asRunner(lanekeeper);
  ({ identity, delivery } = peers);
});
afterAll(async () => {
  peers?.[Symbol.dispose]();
  await lanekeeper?.stop();
});

/** A conversation whose first reply is being sent, with a second one behind it. */
async function conversation(sessionKey: string) {
  const sink = await startWebhookSink();
  const name = { case: "rawKey", value: sessionKey } as const;
  const { session } = await identity.resolveSession({ name });
  const ref = session?.ref;
  if (ref === undefined) throw new Error("no session");
  const kind = RouteKind.WEBHOOK;
  const { route } = await delivery.registerRoute({ sessionKey, kind, address: sink.url });
  const answering = gate();
  sink.next({ gate: answering });
  const routeId = route?.routeId ?? "";
  const flying = await enqueue(ref, routeId);
  await sink.post(0);
  const waiting = await enqueue(ref, routeId);
  return { sink, ref, answering, routeId, flying, waiting };
}

async function enqueue(session: SessionRef, routeId: string): Promise<string> {
  const turnId = randomUUID();
  const parts = [{ content: { case: "text", value: turnId } } as const];
  const request = { requestId: `${turnId}/1`, session, turnId, routeId, parts };
  return (await delivery.enqueueDelivery(request)).deliveryId;
}

function untilState(deliveryId: string, state: DeliveryState) {
  return eventually(
    async () => (await delivery.getDelivery({ deliveryId })).delivery?.state === state,
    { what: `${deliveryId} is in state ${state}`, timeoutMs: 60_000 },
  );
}

/** What was accepted about replies and rotations, the oldest first. */
async function decisions(sessionKey: string): Promise<string[]> {
  const { entries } = await identity.listJournal({ sessionKey, pageSize: 200 });
  return entries
    .filter(({ decision }) => decision === Decision.ACCEPTED)
    .map(({ operation, deliveryId }) => `${operation} ${deliveryId}`.trim())
    .filter((line) => /^(rotate|begin_run|reply_)/.test(line))
    .reverse();
}

test("a reset suppresses what waits, counts what was claimed, and lets nothing of before be claimed after", async () => {
  const sessionKey = "agent:main:replies:reset";
  const { sink, ref, answering, routeId, flying, waiting } = await conversation(sessionKey);
  const { rotation } = await identity.rotateSession({
    ...{ requestId: randomUUID(), sessionKey, reason: RotationReason.RESET },
  });
  expect(rotation?.perhapsSentCount).toBe(1);
  // A commit of before that comes late.
  const late = await enqueue(ref, routeId);
  answering.open();
  await untilState(flying, DeliveryState.SENT);
  await untilState(waiting, DeliveryState.SUPPRESSED_STALE);
  await untilState(late, DeliveryState.SUPPRESSED_STALE);
  const fresh = await enqueue(rotation?.current ?? ref, routeId);
  await untilState(fresh, DeliveryState.SENT);
  expect(sink.posts.map(({ id }) => id)).toEqual([flying, fresh]);
  const told = await decisions(sessionKey);
  const afterReset = told.slice(told.findIndex((line) => line.startsWith("rotate")));
  expect(told.filter((line) => line.startsWith("rotate"))).toHaveLength(1);
  const claimed = afterReset.filter((line) => line.startsWith("reply_sending"));
  expect(claimed).toEqual([`reply_sending ${fresh}`]);
  await sink[Symbol.asyncDispose]();
});

test("kill -9 of delivery while it sends: unknown, then again under the same id, in order, by who comes after", async () => {
  const sessionKey = "agent:main:replies:kill";
  const { sink, answering, flying, waiting } = await conversation(sessionKey);
  await lanekeeper.kill("delivery");
  await lanekeeper.waitReady();
  answering.open();
  await untilState(waiting, DeliveryState.SENT);
  expect(sink.posts.map(({ id }) => id)).toEqual([flying, flying, waiting]);
  expect(new Set(sink.posts.slice(0, 2).map(({ body }) => body)).size).toBe(1);
  const { attempts } = await delivery.getDelivery({ deliveryId: flying });
  expect(attempts.map(({ outcome }) => outcome)).toEqual(["sent", "unknown"]);
  const told = async () => (await decisions(sessionKey)).filter((line) => line.endsWith(flying));
  await expect
    .poll(told)
    .toEqual([
      ...[`reply_sending ${flying}`, `reply_settled ${flying}`],
      ...[`reply_sending ${flying}`, `reply_settled ${flying}`],
    ]);
  await sink[Symbol.asyncDispose]();
});

/** A person's run, begun and not ended. */
async function beginRun({ sessionKey, generation }: SessionRef) {
  const { fence, rolledOver } = await identity.beginRun({
    ...{ sessionKey, admittedGeneration: generation, turnId: randomUUID(), runId: randomUUID() },
    ...{ leaseDuration: { seconds: 30n }, turnClass: TurnClass.PERSON },
    acceptTime: timestampNow(),
  });
  if (fence === undefined) throw new Error("no run was begun");
  return { fence, rolledOver };
}

async function endRun(fence: Fence): Promise<void> {
  const event = { case: "ended", value: { outcome: RunOutcome.COMPLETED } } as const;
  await identity.writeLifecycle({ writer: { case: "run", value: fence }, event });
}

test("a compaction lets what waits of before it through", async () => {
  const sessionKey = "agent:main:replies:compaction";
  const { sink, ref, answering, flying, waiting } = await conversation(sessionKey);
  const { fence } = await beginRun(ref);
  const owner = { case: "owner", value: fence } as const;
  const reason = RotationReason.COMPACTION;
  const request = { requestId: randomUUID(), sessionKey, reason, precondition: owner };
  const { rotation } = await identity.rotateSession(request);
  expect(rotation?.current?.generation).toBe(2n);
  answering.open();
  await untilState(waiting, DeliveryState.SENT);
  expect(sink.posts.map(({ id }) => id)).toEqual([flying, waiting]);
  await sink[Symbol.asyncDispose]();
});

test("a rollover after idling lets what waits of before it through", async () => {
  const sessionKey = "agent:drowsy:replies:idle";
  const { sink, ref, answering, flying, waiting } = await conversation(sessionKey);
  await endRun((await beginRun(ref)).fence);
  const name = { case: "rawKey", value: sessionKey } as const;
  const isIdle = async () => {
    const { session } = await identity.resolveSession({ name });
    return session?.freshness === Freshness.IDLE_EXPIRED;
  };
  await eventually(isIdle, { what: "the session has idled" });
  const { fence, rolledOver } = await beginRun(ref);
  expect(rolledOver?.reason).toBe(RotationReason.IDLE);
  expect(fence.session?.generation).toBe(2n);
  answering.open();
  await untilState(waiting, DeliveryState.SENT);
  expect(sink.posts.map(({ id }) => id)).toEqual([flying, waiting]);
  await sink[Symbol.asyncDispose]();
});
