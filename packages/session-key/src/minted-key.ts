import { type AgentId, type CanonicalKey, joinKey, restOf } from "./canonical-key.ts";

/** A UUIDv7 (RFC 9562), whose first 48 bits are the ms since 1970 at which it was minted, in lower case. */
const UUID_V7 = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
const MINTED = new RegExp(`^subagent:(${UUID_V7})$`);

/**
 * The key that the system mints for one task, under an id that was minted for it and tells its time.
 * @param id a UUIDv7 in lower case
 */
export function mintedKey(agent: AgentId, id: string): CanonicalKey {
  const key = joinKey(agent, `subagent:${id}`);
  if (mintedAtMs(key) === undefined) throw new Error(`${id} is no UUIDv7 in lower case`);
  return key;
}

/**
 * When a key was minted, in ms since 1970, if it has the form of those that the system mints; undefined: it has
 * another. The namespace is reserved, so nobody else names a conversation so.
 */
export function mintedAtMs(key: CanonicalKey): number | undefined {
  const id = MINTED.exec(restOf(key))?.[1];
  if (id === undefined) return undefined;
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
