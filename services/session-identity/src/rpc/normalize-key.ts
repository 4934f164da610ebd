import { type AgentId, canonicalPeer, renderPeerKey, type RuleStep } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import { agentRequired, scopeOf } from "../names/plan.ts";
import type { RuleSet } from "../names/rules.ts";
import type { Tenant } from "../names/tenant.ts";
import { readTenant } from "../store/tenants/read-tenant.ts";
import type { IdentityRoutes } from "./handler.ts";
import { agentId, type GivenName, givenName, keyError } from "./parse/key.ts";
import { showStep } from "./show/binding.ts";

export function normalizeKey({ db, replica }: IdentityContext): IdentityRoutes["normalizeKey"] {
  return async (request, call) => {
    const tenant = await readTenant(db, call.tenant);
    const judged = judgeName(
      replica.rules,
      agentId(request.agentId),
      givenName(request.name),
      tenant,
    );
    if (!judged.ok) throw judged.error;
    return {
      sessionKey: judged.key,
      agentId: judged.agentId,
      steps: judged.steps.map(showStep),
      ruleSetVersion: replica.rules.version,
    };
  };
}

export type JudgedName =
  | {
      readonly ok: true;
      readonly key: string;
      readonly agentId: AgentId;
      readonly steps: readonly RuleStep[];
    }
  | { readonly ok: false; readonly error: Error; readonly steps: readonly RuleStep[] };

/** The pure rules, step by step, without ledger, equivalences or links. */
export function judgeName(
  rules: RuleSet,
  agent: AgentId | undefined,
  name: GivenName,
  tenant: Tenant,
): JudgedName {
  if (name.kind === "raw") {
    const { defaultAgentId: defaultAgent } = tenant;
    const read = rules.readRaw({ raw: name.raw, agent, defaultAgent, explain: true });
    if (!read.ok) return { ok: false, error: keyError(read.refusal), steps: read.steps };
    return { ok: true, key: read.key, agentId: read.agent, steps: read.steps };
  }
  const agentId = agent ?? tenant.defaultAgentId;
  if (agentId === undefined) return { ok: false, error: agentRequired(), steps: [] };
  const spelled = canonicalPeer(name.peer, { explain: true });
  if (!spelled.ok) return { ok: false, error: keyError(spelled.refusal), steps: spelled.steps };
  const dmScope = scopeOf(tenant, agentId);
  const rendered = renderPeerKey({ agent: agentId, peer: spelled.peer, dmScope, explain: true });
  const steps = [...spelled.steps, ...rendered.steps];
  if (!rendered.ok) return { ok: false, error: keyError(rendered.refusal), steps };
  return { ok: true, key: rendered.key, agentId, steps };
}
