import { LanekeeperError } from "@lanekeeper/rpc";
import {
  type AgentId,
  canonicalPeer,
  type CanonicalKey,
  type CanonicalPeer,
  DEFAULT_DM_SCOPE,
  type DmScope,
  type KeyRefusal,
  normalizeAgentId,
  parsePeerSpelling,
  peerIdentity,
  peerSpelling,
  type Person,
  type Peer,
  renderPeerKey,
  withIdentity,
} from "@lanekeeper/session-key";
import { type GivenName, keyError } from "../rpc/parse/key.ts";
import type { NameFound, NameWanted } from "../store/names/read-names.ts";
import type { BoundName } from "./binding.ts";
import type { RuleSet } from "./rules.ts";
import type { Tenant } from "./tenant.ts";

/** A name after the rules: what to look up, and what it would become if nothing is found. */
export interface NamePlan {
  /** Of the rules that it was read by. */
  readonly ruleSetVersion: number;
  readonly agentId: AgentId;
  readonly name: BoundName;
  readonly wanted: NameWanted;
  /** Why a name that was never seen may not be bound. */
  readonly refusal: KeyRefusal | undefined;
}

/** What no ledger entry can hold, under whatever rules. */
const UNSTORABLE = /[\p{Cs}\p{Cc}]/u;

/** @throws the refusal of a name that no ledger entry could overrule */
export function planName(
  rules: RuleSet,
  tenantName: string,
  tenant: Tenant,
  agent: AgentId | undefined,
  given: GivenName,
): NamePlan {
  return given.kind === "raw"
    ? planRaw(rules, tenantName, tenant, agent, given.raw)
    : planPeer(rules, tenantName, tenant, agent, given.peer);
}

/**
 * A string that the rules refuse may still be bound, by a replica with other rules, and a binding
 * stands for ever; so the ledger is asked wherever the agent is known.
 */
function planRaw(
  { readRaw, version: ruleSetVersion }: RuleSet,
  tenantName: string,
  tenant: Tenant,
  agent: AgentId | undefined,
  raw: string,
): NamePlan {
  const plan = (agentId: AgentId, candidate: string, refusal?: KeyRefusal): NamePlan => {
    const name = raw.normalize("NFC");
    const own = name.startsWith("agent:") ? name : "";
    return {
      ruleSetVersion,
      agentId,
      refusal,
      name: { kind: "raw", raw: name },
      wanted: { tenant: tenantName, agentId, kind: "raw", name, own, candidate, party: "" },
    };
  };
  const read = readRaw({ raw, agent, defaultAgent: tenant.defaultAgentId });
  if (read.ok) return plan(read.agent, read.key);
  const bearer = bearerOf(raw, agent, tenant);
  if (bearer === undefined || isFinal(read.refusal, raw)) throw keyError(read.refusal);
  return plan(bearer, "", read.refusal);
}

function isFinal(refusal: KeyRefusal, raw: string): boolean {
  return refusal.reason !== "MALFORMED_KEY" || UNSTORABLE.test(raw) || raw === "";
}

/** The agent of a string that the rules refuse: its own prefix's, else the caller's, else the default. */
function bearerOf(raw: string, agent: AgentId | undefined, tenant: Tenant): AgentId | undefined {
  const qualified = /^agent:([^:]*):/i.exec(raw);
  if (qualified !== null) return normalizeAgentId(qualified[1] ?? "");
  return agent ?? tenant.defaultAgentId;
}

function planPeer(
  { version: ruleSetVersion }: RuleSet,
  tenantName: string,
  tenant: Tenant,
  agent: AgentId | undefined,
  given: Peer,
): NamePlan {
  const agentId = agent ?? tenant.defaultAgentId;
  if (agentId === undefined) throw agentRequired();
  const read = canonicalPeer(given);
  if (!read.ok) throw keyError(read.refusal);
  const { peer } = read;
  const rendered = renderPeerKey({ agent: agentId, peer, dmScope: scopeOf(tenant, agentId) });
  return {
    ruleSetVersion,
    agentId,
    name: { kind: "peer", peer },
    wanted: {
      tenant: tenantName,
      agentId,
      kind: "peer",
      name: peerSpelling(peer),
      own: "",
      candidate: rendered.ok ? rendered.key : "",
      party: peerSpelling(peerIdentity(peer)),
    },
    refusal: rendered.ok ? undefined : rendered.refusal,
  };
}

export function agentRequired(): LanekeeperError {
  return new LanekeeperError("AGENT_REQUIRED", "neither the call nor the tenant names an agent");
}

export function scopeOf(tenant: Tenant, agentId: string): DmScope {
  return tenant.policies.get(agentId)?.dmScope ?? DEFAULT_DM_SCOPE;
}

/** The key that a name leads to now; a refusal where its peer cannot be written as one. */
export function keyOf(
  plan: NamePlan,
  found: NameFound,
  tenant: Tenant,
): CanonicalKey | KeyRefusal | undefined {
  const { name, wanted, refusal } = plan;
  if (name.kind === "raw") {
    if (found.key !== undefined) return found.key.sessionKey;
    const key = found.binding?.sessionKey ?? wanted.candidate;
    return key === "" ? refusal : (key as CanonicalKey);
  }
  return peerKey(plan.agentId, name.peer, found, scopeOf(tenant, plan.agentId));
}

/**
 * A peer's key is its binding, with equivalence, link and scope as they are now: those change by an
 * operator's recorded act alone. Where none of them speaks, the bound key stands as it was rendered.
 */
function peerKey(
  agent: AgentId,
  peer: CanonicalPeer,
  { binding, root, person }: NameFound,
  dmScope: DmScope,
): CanonicalKey | KeyRefusal {
  const unmoved = root === undefined && person === undefined;
  if (unmoved && binding !== undefined && (peer.kind !== "direct" || binding.dmScope === dmScope)) {
    return binding.sessionKey as CanonicalKey;
  }
  const identity = root === undefined ? undefined : parsePeerSpelling(root);
  const rendered = renderPeerKey({
    agent,
    peer: identity === undefined ? peer : withIdentity(peer, identity),
    dmScope,
    person: person as Person | undefined,
  });
  return rendered.ok ? rendered.key : rendered.refusal;
}
