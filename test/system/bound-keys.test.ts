import { randomUUID } from "node:crypto";
import type { DescMethod } from "@bufbuild/protobuf";
import { createApiKeyClient, createEdgeClients } from "@lanekeeper/client";
import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { ApiKeyService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import {
  eventually,
  startConstellation,
  startWebhookSink,
  type TestConstellation,
} from "@lanekeeper/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ATTEMPTS, type Hidden } from "../support/attempts.ts";

const MARKER = "the marker of a hidden conversation";
const SCOPES = ["chat", "adapter", "operator", "admin"];
const SERVICES = [
  ...[SessionIdentityService, RunnerService, DeliveryService, IngressService, ApiKeyService],
];
const unary = SERVICES.flatMap(({ methods }) => methods).filter(
  ({ methodKind }) => methodKind === "unary",
);

let lanekeeper: TestConstellation;
let sink: Awaited<ReturnType<typeof startWebhookSink>>;
let hidden: Hidden;
let boundKey: string;
let othersKey: string;
/** A key of the tenant that is bound to nothing. */
let widestKeyId: string;

beforeAll(async () => {
  sink = await startWebhookSink();
  const env = { LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: "127.0.0.0/8" };
  lanekeeper = await startConstellation({ env });
  hidden = await makeHidden("agent:main:hidden:1");
  const { call } = lanekeeper;
  await call("identity.v1.SessionIdentityService/ResolveSession", { rawKey: "mine:1" });
  const make = (requestId: string, more: object) =>
    call("ingress.v1.ApiKeyService/CreateApiKey", { requestId, scopes: SCOPES, ...more });
  const prefix = { sessionKeyPrefixes: ["agent:main:mine:"] };
  boundKey = String((await make("bound", prefix))["keyText"]);
  widestKeyId = ((await make("wide", {}))["apiKey"] as { apiKeyId: string }).apiKeyId;
  using keys = createApiKeyClient({
    target: lanekeeper.targets.ingress,
    credential: lanekeeper.credential("cli"),
    defaults: { tenant: "others" },
  });
  othersKey = (await keys.createApiKey({ requestId: "1", scopes: SCOPES })).keyText;
});
afterAll(async () => {
  await lanekeeper?.stop();
  await sink?.[Symbol.asyncDispose]();
});

async function makeHidden(sessionKey: string): Promise<Hidden> {
  const { call } = lanekeeper;
  const resolved = await call("identity.v1.SessionIdentityService/ResolveSession", {
    rawKey: sessionKey,
  });
  const { ref } = resolved["session"] as { ref: { sessionId: string } };
  const registered = await call("delivery.v1.DeliveryService/RegisterRoute", {
    ...{ sessionKey, kind: "ROUTE_KIND_WEBHOOK", address: sink.url },
  });
  const { routeId } = registered["route"] as { routeId: string };
  const { turnId } = (await call("runner.v1.RunnerService/SubmitTurn", {
    ...{ idempotencyKey: "hidden/1", fingerprint: "AAAA", turnClass: "TURN_CLASS_PERSON" },
    ...{ session: ref, routeId },
    messages: [{ role: "ROLE_USER", parts: [{ text: MARKER }] }],
  })) as { turnId: string };
  const deliveryId = await eventually(async () => {
    const listed = await call("delivery.v1.DeliveryService/ListDeliveries", { turnId });
    return (listed["deliveries"] as { deliveryId: string }[] | undefined)?.[0]?.deliveryId;
  });
  // It stands as it will: what is compared later changes no more.
  await eventually(async () => {
    const { delivery } = await call("delivery.v1.DeliveryService/GetDelivery", { deliveryId });
    return (delivery as { state: string }).state === "DELIVERY_STATE_SENT";
  });
  const scheduleId = "hidden-report";
  await call("ingress.v1.IngressService/CreateSchedule", {
    ...{ spec: { scheduleId, cron: "0 8 1 1 *", message: MARKER, routeId } },
  });
  return { sessionKey, sessionId: ref.sessionId, turnId, routeId, deliveryId, scheduleId };
}

interface Told {
  readonly status: number;
  readonly text: string;
  readonly said: string;
}

async function attempt(method: DescMethod, key: string, body: object): Promise<Told> {
  const response = await fetch(`${lanekeeper.baseUrl}/${method.parent.typeName}/${method.name}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  const { code = "", message = "" } = JSON.parse(text) as { code?: string; message?: string };
  return { status: response.status, text, said: `${code}: ${message}` };
}

/** What of the hidden conversation an answer tells that was not in the question. */
function leaked(text: string, body: object): string[] {
  const asked = JSON.stringify(body);
  const secrets = [...Object.values(hidden), MARKER, "agent:main:hidden"];
  return secrets.filter((secret) => text.includes(secret) && !asked.includes(secret));
}

/** As it stands, told by who may know. */
async function stateOf(): Promise<unknown> {
  const { sessionKey, turnId, routeId, deliveryId } = hidden;
  const { call } = lanekeeper;
  return [
    await call("identity.v1.SessionIdentityService/GetSession", { sessionKey }),
    await call("runner.v1.RunnerService/GetTurn", { turnId }),
    await call("delivery.v1.DeliveryService/ListRoutes", { sessionKey }),
    await call("delivery.v1.DeliveryService/ListRouteChanges", { routeId }),
    await call("delivery.v1.DeliveryService/GetDelivery", { deliveryId }),
    await call("runner.v1.RunnerService/ListMessages", { sessionKey }),
    await call("ingress.v1.IngressService/ListSchedules", {}),
  ];
}

describe("a key that is bound to other conversations", () => {
  test("by any call of any service learns nothing, and changes nothing", async () => {
    const before = await stateOf();
    for (const method of unary) {
      const asks = ATTEMPTS[method.name];
      const body = asks?.(hidden, widestKeyId) ?? {};
      const { status, text, said } = await attempt(method, boundKey, body);
      expect([method.name, leaked(text, body)]).toEqual([method.name, []]);
      // Whatever judges by the bounds is tried above: a method that does is to be told of there.
      if (asks !== undefined) continue;
      expect([method.name, status, said]).toEqual([
        ...[method.name, 403],
        expect.stringMatching(/between services alone|reaches further than this credential/),
      ]);
    }
    expect(await stateOf()).toEqual(before);
    const { apiKeys } = await lanekeeper.call("ingress.v1.ApiKeyService/ListApiKeys", {});
    expect(JSON.stringify(apiKeys)).toContain(widestKeyId);
  });

  test("has no turn of its own answered where others are", async () => {
    const { call } = lanekeeper;
    const { session } = await call("identity.v1.SessionIdentityService/GetSession", {
      sessionKey: "agent:main:mine:1",
    });
    const submit = (routeId: string) => ({
      ...{ idempotencyKey: randomUUID(), fingerprint: "AAAA", turnClass: "TURN_CLASS_PERSON" },
      ...{ session: (session as { ref: object }).ref, routeId },
      messages: [{ role: "ROLE_USER", parts: [{ text: "let me out" }] }],
    });
    const method = RunnerService.method.submitTurn;
    const ofNone = await attempt(method, boundKey, submit(randomUUID()));
    const theirs = await attempt(method, boundKey, submit(hidden.routeId));
    expect([ofNone.status, theirs.status]).toEqual([404, 404]);
    const target = { case: "submit", value: {} } as const;
    const edge = createEdgeClients({ baseUrl: lanekeeper.baseUrl, apiKey: boundKey });
    const value = { ...target.value, routeId: hidden.routeId };
    const attached = edge.runner.attachTurn({ target: { ...target, value } }).next();
    await expect(attached).rejects.toMatchObject({ reason: "NOT_FOUND" });
    const route = await attempt(DeliveryService.method.registerRoute, boundKey, {
      ...{ sessionKey: "agent:main:mine:1", kind: "ROUTE_KIND_WEBHOOK", address: sink.url },
    });
    const { route: own } = JSON.parse(route.text) as { route: { routeId: string } };
    const mine = await attempt(method, boundKey, submit(own.routeId));
    expect(mine.status).toBe(200);
    // What is watched next stands still then.
    const { turnId } = JSON.parse(mine.text) as { turnId: string };
    await eventually(async () => {
      const { turn } = await call("runner.v1.RunnerService/GetTurn", { turnId });
      return (turn as { state: string }).state === "TURN_STATE_COMPLETED";
    });
  });

  test("watches its own alone", async () => {
    const edge = createEdgeClients({ baseUrl: lanekeeper.baseUrl, apiKey: boundKey });
    const seen: string[] = [];
    for await (const { event } of edge.identity.watchSessions({})) {
      if (event.case === "snapshot") seen.push(event.value.ref?.sessionKey ?? "");
      else break;
    }
    for await (const { event } of edge.delivery.watchSessions({})) {
      if (event?.event.case === "snapshot") seen.push(event.event.value.ref?.sessionKey ?? "");
      else break;
    }
    expect(seen).toEqual(["agent:main:mine:1", "agent:main:mine:1"]);
    const target = { case: "turnId", value: hidden.turnId } as const;
    const attached = edge.runner.attachTurn({ target }).next();
    await expect(attached).rejects.toMatchObject({ reason: "NOT_FOUND" });
    const session = { case: "sessionKey", value: hidden.sessionKey } as const;
    const exported = edge.runner.exportSession({ session }).next();
    await expect(exported).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  });
});

describe("another tenant's key with all scopes", () => {
  test("is told by any call what it would be told of what never was", async () => {
    const before = await stateOf();
    const never: Hidden = {
      sessionKey: "agent:main:hidden:2",
      sessionId: "01900000-0000-7000-8000-00000000dead",
      turnId: "01900000-0000-7000-8000-00000000dead",
      routeId: "01900000-0000-7000-8000-00000000dead",
      deliveryId: "01900000-0000-7000-8000-00000000dead",
      scheduleId: "never-report",
    };
    const plain = (text: string): string =>
      Object.entries({ ...never, ...hidden }).reduce(
        (done, [name, value]) =>
          done
            .replaceAll(value, `<${name.slice(-2)}>`)
            .replaceAll(never[name as keyof Hidden], `<${name.slice(-2)}>`),
        text,
      );
    for (const method of unary) {
      const asks = ATTEMPTS[method.name];
      if (asks === undefined) continue;
      const body = asks(hidden, widestKeyId);
      const theirs = await attempt(method, othersKey, body);
      const none = await attempt(method, othersKey, asks(never, widestKeyId));
      expect([method.name, leaked(theirs.text, body)]).toEqual([method.name, []]);
      expect([method.name, theirs.status, plain(theirs.said)]).toEqual([
        ...[method.name, none.status, plain(none.said)],
      ]);
    }
    expect(await stateOf()).toEqual(before);
  });
});
