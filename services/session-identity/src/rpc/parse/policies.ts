import { durationMs } from "@bufbuild/protobuf/wkt";
import type {
  ApplyKeyPoliciesRequest,
  KeyPolicy,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { invalid } from "@lanekeeper/rpc";
import { type AgentId, DEFAULT_DM_SCOPE, parseAgentId } from "@lanekeeper/session-key";
import { isTimeZone } from "../../domain/local-time.ts";
import { LIMITS } from "../../limits.ts";
import type { AgentPolicy } from "../../names/tenant.ts";
import type { Policies } from "../../store/tenants/apply-policies.ts";
import { DM_SCOPES, wordOr } from "./enums.ts";

/** Configuration is taken as it stands: nothing is folded or fixed up. */
export function policies(request: ApplyKeyPoliciesRequest): Policies {
  const { defaultAgentId } = request;
  if (request.policies.length > LIMITS.maxPolicies) {
    throw invalid("policies", `at most ${LIMITS.maxPolicies}`);
  }
  const parsed = request.policies.map((policy, index) => policyOf(`policies[${index}]`, policy));
  const agents = new Set<string>(parsed.map(({ agentId }) => agentId));
  if (agents.size < parsed.length) throw invalid("policies", "an agent stands there twice");
  if (defaultAgentId !== "" && !agents.has(defaultAgentId)) {
    throw invalid("default_agent_id", "is none of the agents");
  }
  return { defaultAgentId, policies: parsed };
}

function policyOf(field: string, policy: KeyPolicy): AgentPolicy {
  return {
    agentId: strictAgent(`${field}.agent_id`, policy.agentId),
    dmScope: wordOr(`${field}.dm_scope`, DM_SCOPES, policy.dmScope, DEFAULT_DM_SCOPE),
    idleAfterMs: idleAfterMs(`${field}.idle_after`, policy.idleAfter),
    dailyAt: dailyAt(`${field}.daily_at`, policy.dailyAt),
    timeZone: timeZone(`${field}.time_zone`, policy.timeZone),
  };
}

function strictAgent(field: string, text: string): AgentId {
  const agent = parseAgentId(text);
  if (agent === undefined) throw invalid(field, "does not match [a-z0-9][a-z0-9_-]{0,63}");
  return agent;
}

function idleAfterMs(field: string, given: KeyPolicy["idleAfter"]): number | undefined {
  if (given === undefined) return undefined;
  const ms = durationMs(given);
  if (ms >= LIMITS.minIdleMs && ms <= LIMITS.maxIdleMs) return Math.floor(ms);
  throw invalid(field, `${LIMITS.minIdleMs / 1_000} s .. ${LIMITS.maxIdleMs / 86_400_000} days`);
}

function dailyAt(field: string, text: string): string {
  if (text === "" || /^(?:[01]\d|2[0-3]):[0-5]\d$/.test(text)) return text;
  throw invalid(field, "HH:MM, 00:00 .. 23:59");
}

function timeZone(field: string, text: string): string {
  if (text === "") return "UTC";
  if (text.length <= 64 && isTimeZone(text)) return text;
  throw invalid(field, "is no IANA time zone that this runtime knows");
}
