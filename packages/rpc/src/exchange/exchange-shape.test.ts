import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { ApiKeyService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { expect, expectTypeOf, test } from "vitest";
import type { Routes } from "../call/routes.ts";
import type { exchangeHandler } from "./exchange-handler.ts";
import { exchangeShape } from "./exchange-shape.ts";

test("session-identity's Exchange has the shape, with the calls of every turn", () => {
  const shape = exchangeShape(SessionIdentityService);
  expect([...(shape?.calls.keys() ?? [])]).toEqual(
    expect.arrayContaining(["resolveSession", "beginRun", "writeLifecycle", "checkFence"]),
  );
  for (const name of ["callId", "timeout", "traceparent", "tenant", "principal", "requestId"]) {
    expect(shape?.request.get(name), name).toBeGreaterThan(0);
  }
});

test("its handler fits into the routes", () => {
  type Identity = typeof SessionIdentityService;
  expectTypeOf<ReturnType<typeof exchangeHandler<Identity>>>().toEqualTypeOf<
    Routes<Identity>["exchange"]
  >();
});

test("a service without one has no shape", () => {
  expect(exchangeShape(ApiKeyService)).toBeUndefined();
});
