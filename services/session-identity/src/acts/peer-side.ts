import {
  type AgentId,
  type CanonicalKey,
  type CanonicalPeer,
  type KeyRefusal,
  parsePeerSpelling,
  type Person,
  renderPeerKey,
} from "@lanekeeper/session-key";
import { scopeOf } from "../names/plan.ts";
import type { Tenant } from "../names/tenant.ts";
import type { PeerSide } from "../store/names/threads-to-carry.ts";

/** The key that a peer's messages have, without a thread. */
export function keyOfParty(
  agent: AgentId,
  { party, person }: PeerSide,
  tenant: Tenant,
): CanonicalKey | KeyRefusal {
  const peer = parseParty(party);
  const dmScope = scopeOf(tenant, agent);
  // Written by parsePerson before it was stored.
  const rendered = renderPeerKey({ agent, peer, dmScope, person: person as Person | undefined });
  return rendered.ok ? rendered.key : rendered.refusal;
}

function parseParty(party: string): CanonicalPeer {
  const peer = parsePeerSpelling(party);
  if (peer === undefined) throw new Error("a stored spelling is one");
  return peer;
}
