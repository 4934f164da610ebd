import { apiKeyCredential, createIngressClient } from "@lanekeeper/client";
import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask } from "../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

const KEY = "lk_key_without_a_scope_0123456789";
const SERVICES = [SessionIdentityService, RunnerService, DeliveryService, IngressService];
const UNARY = SERVICES.flatMap(({ methods, typeName }) =>
  methods
    .filter(({ methodKind }) => methodKind === "unary")
    .map(({ name }) => `/${typeName}/${name}`),
);

let lane: TestIngress;

beforeAll(async () => {
  lane = await startTestIngress();
  lane.credentials.add(KEY, { scopes: [] });
});

afterAll(async () => {
  await lane[Symbol.asyncDispose]();
});

const headers = { authorization: `Bearer ${KEY}` };
const neighbours = () => lane.identity.calls.length + lane.runner.calls.length;
const DENIED = [403, expect.stringContaining("PERMISSION_DENIED"), 0];

describe("a credential without a scope would be a service's own behind ingress, and is refused", () => {
  test.each(UNARY)("at %s over Connect", async (path) => {
    const { status, text } = await ask(lane, { path, body: {}, headers });
    expect([status, text, neighbours()]).toEqual(DENIED);
  });

  test.each([
    ["POST", "/v1/chat/completions"],
    ["GET", "/v1/models"],
    ["GET", "/v1/models/lanekeeper"],
  ])("at %s %s", async (method, path) => {
    const { status, text } = await ask(lane, { method, path, headers });
    expect([status, text, neighbours()]).toEqual(DENIED);
  });

  test("at the gRPC port", async () => {
    using client = createIngressClient({
      target: `127.0.0.1:${lane.ingress.grpcPort}`,
      credential: apiKeyCredential(KEY),
    });
    const reason = "PERMISSION_DENIED";
    await expect(client.getCaller({})).rejects.toMatchObject({ reason });
    await expect(client.listRequests({})).rejects.toMatchObject({ reason });
  });
});
