import type { RateLimit } from "../rate-limits/rate-limit.ts";

/** What of a request may name its session where it names none itself, in the order of looking. */
export const SESSION_SOURCES = [
  "x-openwebui-chat-id",
  "x-conversation-id",
  "prompt_cache_key",
  "user",
] as const;

export type SessionSourceName = (typeof SESSION_SOURCES)[number];

/** How a tenant's requests are taken. */
export interface TenantSettings {
  /** In the order of SESSION_SOURCES. */
  readonly sessionSources: readonly SessionSourceName[];
  /** A request that leads to no session is refused. */
  readonly requiresSession: boolean;
  /** Of all the tenant's keys together; undefined: none. */
  readonly rateLimit?: RateLimit | undefined;
  /** Of each of its keys that states none itself; undefined: none. */
  readonly keyRateLimit?: RateLimit | undefined;
}

/** Of a tenant for which nothing was applied. */
export const DEFAULT_SETTINGS: TenantSettings = { sessionSources: [], requiresSession: false };

/** Each source once, in the order of looking. */
export function inOrder(sources: readonly string[]): SessionSourceName[] {
  return SESSION_SOURCES.filter((source) => sources.includes(source));
}
