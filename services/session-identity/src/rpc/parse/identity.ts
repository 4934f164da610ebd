import type { Peer as ProtoPeer } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { LanekeeperError } from "@lanekeeper/rpc";
import {
  type AgentId,
  canonicalPeer,
  type CanonicalPeer,
  peerIdentity,
} from "@lanekeeper/session-key";
import { agentRequired } from "../../names/plan.ts";
import type { Tenant } from "../../names/tenant.ts";
import { fieldOf, givenPeer, keyError } from "./key.ts";

/** What equivalences and links are kept for: the peer in its one spelling, without its thread. */
export function identity(field: string, peer: ProtoPeer | undefined): CanonicalPeer {
  const read = canonicalPeer(givenPeer(field, peer));
  if (!read.ok) throw keyError(read.refusal, fieldOf(read.refusal, field));
  return peerIdentity(read.peer);
}

/** The agent that an adapter's act is for: one that is configured. */
export function configuredAgent(agent: AgentId | undefined, tenant: Tenant): AgentId {
  const chosen = agent ?? tenant.defaultAgentId;
  if (chosen === undefined) throw agentRequired();
  if (tenant.policies.has(chosen)) return chosen;
  throw new LanekeeperError("UNKNOWN_MODEL", `the tenant has no agent ${chosen}`, {
    metadata: { agent_id: chosen },
  });
}
