/** What is preloaded, and so what can be asked for. */
export const TENANT = "bench";
export const AGENT = "main";
export const PRINCIPAL = "credential-bench";

/**
 * The name of the n-th conversation. Scattered, as the names of real ones are: loaded in the order of
 * their names, neighbours would share pages that strangers do not. Odd multipliers permute 32 bits.
 */
export function rawKey(index: number): string {
  return `chat-${(Math.imul(index + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, "0")}`;
}

export function sessionKey(index: number): string {
  return `agent:${AGENT}:${rawKey(index)}`;
}

/** Shaped as a UUIDv7; the index makes it unique. */
export function sessionId(index: number): string {
  return `01980000-0000-7000-8000-${index.toString(16).padStart(12, "0")}`;
}
