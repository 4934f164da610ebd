import { create } from "@bufbuild/protobuf";
import { ApplyKeyPoliciesRequestSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { ApplyTenantSettingsRequestSchema } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { ApplyAgentsRequestSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { expect, test } from "vitest";
import { defaultConfig } from "./default.ts";
import { isOrdinary } from "./ordinary.ts";
import type { TenantConfig } from "./schema.ts";
import { agentsRequest, keyPoliciesRequest, settingsRequest } from "./to-requests.ts";

function stored(change: (tenant: TenantConfig) => TenantConfig = (tenant) => tenant) {
  const tenant = defaultConfig({ kind: "scripted", because: "" }).tenants["default"];
  if (tenant === undefined) throw new Error("no default tenant");
  const changed = change(tenant);
  const { agents } = create(ApplyAgentsRequestSchema, agentsRequest(changed));
  const { policies } = create(ApplyKeyPoliciesRequestSchema, keyPoliciesRequest(changed));
  const { settings } = create(ApplyTenantSettingsRequestSchema, settingsRequest(changed));
  return isOrdinary(agents, policies, settings);
}

function withMain(change: Partial<TenantConfig["agents"][string]>) {
  return ({ agents, ...rest }: TenantConfig): TenantConfig => ({
    ...rest,
    agents: { main: { model: "scripted", ...agents["main"], ...change } },
  });
}

test("what the default configuration gives may be replaced by a newer default", () => {
  expect(stored()).toBe(true);
  expect(isOrdinary([], [], undefined)).toBe(true);
  expect(stored(withMain({ model: { base_url: "http://m/v1", model: "x" } }))).toBe(true);
});

test("what an operator has made stays", () => {
  expect(stored(withMain({ system_prompt: "You are the clerk." }))).toBe(false);
  expect(stored(withMain({ tools: ["memory_save"] }))).toBe(false);
  expect(stored(withMain({ compaction: "off" }))).toBe(false);
  expect(stored(withMain({ mcp_servers: { files: { command: "mcp-files" } } }))).toBe(false);
  expect(stored(withMain({ context_token_budget: 50_000 }))).toBe(false);
  expect(stored(withMain({ keys: { idle_after: 1_000 } }))).toBe(false);
  expect(stored((tenant) => ({ ...tenant, sessions: { required: true } }))).toBe(false);
  expect(stored((tenant) => ({ ...tenant, sessions: { from: ["user"] } }))).toBe(false);
  const rate_limit = { requests_per_minute: 60 };
  expect(stored((tenant) => ({ ...tenant, rate_limit }))).toBe(false);
  expect(stored((tenant) => ({ ...tenant, key_rate_limit: rate_limit }))).toBe(false);
  const another = { clerk: { model: "scripted" as const } };
  expect(stored(({ agents }) => ({ agents: { ...agents, ...another } }))).toBe(false);
});
