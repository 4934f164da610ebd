import {
  type AgentId,
  canonicalPeer,
  type CanonicalPeer,
  parsePeerSpelling,
  peerSpelling,
  type Person,
  renderPeerKey,
  type RuleStep,
  withIdentity,
} from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import { agentRequired, scopeOf } from "../names/plan.ts";
import type { RuleSet } from "../names/rules.ts";
import type { Tenant } from "../names/tenant.ts";
import type { NameFound } from "../store/names/read-names.ts";
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

/** What an equivalence and a person link say of a peer. */
type Leads = Pick<NameFound, "root" | "person">;

const NOWHERE: Leads = { root: undefined, person: undefined };

/** The rules, step by step: the pure ones, unless it is told what an equivalence or a link make of the peer. */
export function judgeName(
  rules: RuleSet,
  agent: AgentId | undefined,
  name: GivenName,
  tenant: Tenant,
  leads: Leads = NOWHERE,
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
  const peer = equated(spelled.peer, leads);
  const dmScope = scopeOf(tenant, agentId);
  // Written by parsePerson before it was stored.
  const person = leads.person as Person | undefined;
  const rendered = renderPeerKey({ agent: agentId, peer, dmScope, person, explain: true });
  const steps = [...spelled.steps, ...equivalenceStep(spelled.peer, peer), ...rendered.steps];
  if (!rendered.ok) return { ok: false, error: keyError(rendered.refusal), steps };
  return { ok: true, key: rendered.key, agentId, steps };
}

function equated(peer: CanonicalPeer, { root }: Leads): CanonicalPeer {
  const identity = root === undefined ? undefined : parsePeerSpelling(root);
  return identity === undefined ? peer : withIdentity(peer, identity);
}

function equivalenceStep(given: CanonicalPeer, peer: CanonicalPeer): readonly RuleStep[] {
  const [before, after] = [peerSpelling(given), peerSpelling(peer)];
  return before === after ? [] : [{ rule: "equivalence", before, after, offset: -1 }];
}
