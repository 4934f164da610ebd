import { lowerAscii } from "./text.ts";

declare const brand: unique symbol;

/**
 * A route: `agent:<agent id>:<rest>`, NFC, at most 1,024 bytes. Made only by `normalizeRawKey`,
 * `renderPeerKey` and `parseCanonicalKey`; a raw string does not pass for one.
 */
export type CanonicalKey = string & { readonly [brand]: "CanonicalKey" };

/** The id of a configured assistant: `[a-z0-9][a-z0-9_-]{0,63}`. */
export type AgentId = string & { readonly [brand]: "AgentId" };

const AGENT_ID = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const PREFIX_LENGTH = "agent:".length;

/** Strict: for stored ids and configuration. Undefined for anything that is not an id as it stands. */
export function parseAgentId(text: string): AgentId | undefined {
  return AGENT_ID.test(text) ? (text as AgentId) : undefined;
}

/** For what a caller wrote (a header, a model name): ASCII case is folded, as inside a key. */
export function normalizeAgentId(text: string): AgentId | undefined {
  return parseAgentId(lowerAscii(text));
}

export function agentOf(key: CanonicalKey): AgentId {
  return key.slice(PREFIX_LENGTH, key.indexOf(":", PREFIX_LENGTH)) as AgentId;
}

/** Opaque: no channel, address or thread may be read out of it. */
export function restOf(key: CanonicalKey): string {
  return key.slice(key.indexOf(":", PREFIX_LENGTH) + 1);
}

/** Puts the three parts together. The caller answers for the parts having been checked. */
export function joinKey(agent: AgentId, rest: string): CanonicalKey {
  return `agent:${agent}:${rest}` as CanonicalKey;
}
