import { createHash } from "node:crypto";
import { systemIds } from "@lanekeeper/service";
import type { NewDelivery } from "../store/deliveries/enqueue.ts";
import type { NewRoute } from "../store/routes/register-route.ts";
import { SESSION_ID, SESSION_KEY } from "./replies.ts";

/** A route as the store takes it. */
export function newRoute(address = "https://hooks.example/a"): NewRoute {
  return {
    tenant: "acme",
    sessionKey: SESSION_KEY,
    routeId: systemIds.uuid(),
    kind: 1,
    accountId: "",
    address,
    threadId: "",
    source: "test",
    isDefault: false,
    principal: "tester",
    signingSecret: "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  };
}

/** A reply as the store takes it, by the request id `<turn>/1`. */
export function newDelivery(routeId: string, turnId: string, content = turnId): NewDelivery {
  return {
    tenant: "acme",
    deliveryId: systemIds.uuid(),
    routeId,
    sessionKey: SESSION_KEY,
    sessionId: SESSION_ID,
    generation: 1n,
    turnId,
    requestId: `${turnId}/1`,
    fingerprint: createHash("sha256").update(content).digest(),
    principal: "tester",
    requestLabel: "label",
    traceId: "",
    traceparent: "",
    parts: [],
    expireTime: undefined,
    expireMs: 86_400_000,
  };
}
