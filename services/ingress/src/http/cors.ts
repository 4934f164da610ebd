import type { CorsOptions } from "@lanekeeper/rpc";
import { RATE_LIMIT_HEADERS } from "../rate-limits/headers.ts";

/** What a web page may send besides what Connect needs; the SDK's own headers among it. */
const ALLOWED = [
  "idempotency-key",
  "last-event-id",
  "openai-organization",
  "openai-project",
  "x-agent-id",
  "x-busy-hint",
  "x-conversation-id",
  "x-expect-generation",
  "x-expect-session-id",
  "x-on-conflict",
  "x-openclaw-agent",
  "x-openclaw-agent-id",
  "x-openclaw-session-key",
  "x-openwebui-chat-id",
  "x-session-key",
  "x-session-key-encoded",
  "x-stainless-arch",
  "x-stainless-helper-method",
  "x-stainless-lang",
  "x-stainless-os",
  "x-stainless-package-version",
  "x-stainless-retry-count",
  "x-stainless-runtime",
  "x-stainless-runtime-version",
  "x-stainless-timeout",
];

/** What a web page may read of an answer besides its body. */
const EXPOSED = [
  ...RATE_LIMIT_HEADERS,
  "x-lane-disposition",
  "x-lane-position",
  "x-session-generation",
  "x-session-id",
  "x-session-key",
  "x-session-key-encoded",
  "x-turn-id",
];

/** Origins such as `https://app.example`, or `*`; none: web pages may not call. */
export function corsOptions(origins: readonly string[]): CorsOptions {
  return { allowedOrigins: origins, allowedHeaders: ALLOWED, exposedHeaders: EXPOSED };
}
