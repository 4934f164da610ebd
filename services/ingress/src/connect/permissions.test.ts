import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { ApiKeyService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { Caller } from "@lanekeeper/rpc";
import { describe, expect, test } from "vitest";
import { SCOPES } from "../credentials/credential.ts";
import { authorizeMethod, permissionOf } from "./permissions.ts";

const SERVICES = [
  ...[SessionIdentityService, RunnerService, DeliveryService, IngressService, ApiKeyService],
];
const METHODS = SERVICES.flatMap(({ methods }) => methods);
const outside = METHODS.filter((method) => permissionOf(method).scopes.length > 0);
const named = (methods: readonly (typeof METHODS)[number][]) =>
  methods.map((method) => [`${method.parent.name}/${method.name}`, method] as const);

const all: Caller = {
  tenant: "acme",
  principal: "p-1",
  scopes: SCOPES,
  agents: [],
  keyPrefixes: [],
};
const refusal = (caller: Caller, method: (typeof METHODS)[number]): unknown => {
  try {
    authorizeMethod(caller, method);
    return undefined;
  } catch (error) {
    return error;
  }
};

describe("who may call", () => {
  test.each(named(outside))(
    "%s: those with one of its scopes, and nobody else",
    (_name, method) => {
      const { scopes } = permissionOf(method);
      for (const scope of SCOPES) {
        const refused = refusal({ ...all, scopes: [scope] }, method);
        if (scopes.includes(scope)) expect(refused).toBeUndefined();
        else
          expect(refused).toMatchObject({
            reason: "PERMISSION_DENIED",
            metadata: { scope: expect.any(String) },
          });
      }
    },
  );

  test.each(named(outside))("%s: a bound credential as far as it reaches", (_name, method) => {
    const { reach } = permissionOf(method);
    const denied = (bound_by: string) => ({ reason: "PERMISSION_DENIED", metadata: { bound_by } });
    const byAgents = refusal({ ...all, agents: ["main"] }, method);
    const byKeys = refusal({ ...all, keyPrefixes: ["agent:main:a"] }, method);
    if (reach === "tenant") expect(byAgents).toMatchObject(denied("agent_ids"));
    else expect(byAgents).toBeUndefined();
    if (reach === "key") expect(byKeys).toBeUndefined();
    else expect(byKeys).toMatchObject(denied("session_key_prefixes"));
  });

  test("what concerns the whole tenant is for credentials that are bound to nothing", () => {
    const wide = outside.filter((method) => permissionOf(method).reach === "tenant");
    const names = wide.map(({ name }) => name);
    for (const name of [
      "ApplyAgents",
      "ApplyKeyPolicies",
      "ApplyTenantSettings",
      "ApplySchedules",
    ]) {
      expect(names).toContain(name);
    }
  });
});
