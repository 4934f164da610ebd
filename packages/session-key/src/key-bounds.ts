/** What a credential is bound to. Empty lists bind to nothing: it may reach all of its tenant. */
export interface KeyBounds {
  readonly agents: readonly string[];
  /** Beginnings of canonical keys. */
  readonly keyPrefixes: readonly string[];
}

/** Whether there is anything that the credential may not reach. */
export function isBound({ agents, keyPrefixes }: KeyBounds): boolean {
  return agents.length > 0 || keyPrefixes.length > 0;
}

/**
 * Whether a canonical key is one that the credential may reach: of one of its agents, and beginning
 * with one of its prefixes. The one rule of all services, lists and watches; SQL asks the same by
 * `keyIsWithin` of @lanekeeper/postgres.
 */
export function isKeyWithin(key: string, { agents, keyPrefixes }: KeyBounds): boolean {
  if (agents.length > 0 && !agents.includes(agentPart(key))) return false;
  return keyPrefixes.length === 0 || keyPrefixes.some((prefix) => key.startsWith(prefix));
}

/** Whether the credential may reach any key of this agent, and so the agent itself. */
export function isAgentWithin(agentId: string, { agents, keyPrefixes }: KeyBounds): boolean {
  if (agents.length > 0 && !agents.includes(agentId)) return false;
  const all = `agent:${agentId}:`;
  const meets = (prefix: string) => prefix.startsWith(all) || all.startsWith(prefix);
  return keyPrefixes.length === 0 || keyPrefixes.some(meets);
}

/** The list of a credential that leaves a key, or an agent, out: `bound_by` of the refusal. */
export type BoundBy = "agent_ids" | "session_key_prefixes";

/** Which list keeps the credential from this key; undefined where it is within both. */
export function keyBoundBy(key: string, bounds: KeyBounds): BoundBy | undefined {
  if (isKeyWithin(key, bounds)) return undefined;
  return isKeyWithin(key, { agents: bounds.agents, keyPrefixes: [] })
    ? "session_key_prefixes"
    : "agent_ids";
}

/** Which list keeps the credential from all keys of this agent; undefined where it may reach one. */
export function agentBoundBy(agentId: string, bounds: KeyBounds): BoundBy | undefined {
  if (isAgentWithin(agentId, bounds)) return undefined;
  return isAgentWithin(agentId, { agents: bounds.agents, keyPrefixes: [] })
    ? "session_key_prefixes"
    : "agent_ids";
}

function agentPart(key: string): string {
  return key.split(":", 2)[1] ?? "";
}
