import { type CallContext, permissionDenied } from "@lanekeeper/rpc";
import { agentBoundBy, isKeyWithin } from "@lanekeeper/session-key";

/** Which keys a subscriber is told of: what it asked for, within what its credential may see. */
export interface WatchFilter {
  readonly tenant: string;
  readonly prefix: string;
  /** Empty: all. */
  readonly agents: readonly string[];
  /** The key begins with one of these; empty: any. */
  readonly keyPrefixes: readonly string[];
}

export interface WatchQuestion {
  /** Empty: any. */
  readonly agentId: string;
  readonly sessionKeyPrefix: string;
}

/** @throws PERMISSION_DENIED for an agent that the credential may not use */
export function watchFilter(
  { agentId, sessionKeyPrefix: prefix }: WatchQuestion,
  { tenant, agents, keyPrefixes }: CallContext,
): WatchFilter {
  if (agentId === "") return { tenant, prefix, agents, keyPrefixes };
  const by = agentBoundBy(agentId, { agents, keyPrefixes });
  if (by !== undefined) {
    const metadata = { agent_id: agentId, bound_by: by };
    throw permissionDenied("the credential may not use this agent", metadata);
  }
  return { tenant, prefix, agents: [agentId], keyPrefixes };
}

/** Whether a key of the filter's tenant is told of. Canonical keys name their agent (`agent:<id>:`). */
export function isWanted(filter: WatchFilter, sessionKey: string): boolean {
  return sessionKey.startsWith(filter.prefix) && isAllowed(filter, sessionKey);
}

/** The same, of a key that is known to begin with the prefix. */
export function isAllowed(filter: WatchFilter, sessionKey: string): boolean {
  return isKeyWithin(sessionKey, filter);
}
