import type { IncomingMessage, ServerResponse } from "node:http";
import { cors } from "@connectrpc/connect";

/** Which web pages may call. */
export interface CorsOptions {
  /** Origins such as `https://app.example`, or `*` for any. Empty: none. */
  readonly allowedOrigins: readonly string[];
  /** Further request headers that scripts may send. */
  readonly allowedHeaders?: readonly string[];
  /** Further response headers that scripts may read. */
  readonly exposedHeaders?: readonly string[];
}

/** A preflight's answer may be kept this long: two hours, the most that browsers honour. */
const MAX_AGE_S = 7_200;

const REQUEST_HEADERS = ["authorization", "x-request-id", "traceparent", "tracestate"];
const RESPONSE_HEADERS = ["x-request-id", "retry-after", "x-should-retry"];

/**
 * Sets the CORS headers of an answer. Returns true if the request was a preflight, which is then
 * answered. Credentials travel in `authorization`, never in cookies, so they need no permission.
 */
export function applyCors(
  request: IncomingMessage,
  response: ServerResponse,
  options: CorsOptions,
): boolean {
  const { origin } = request.headers;
  const preflight =
    request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined;
  response.appendHeader("vary", "origin");
  if (origin !== undefined && isAllowed(origin, options)) {
    response.setHeader("access-control-allow-origin", origin);
    if (preflight) allow(response, options);
    else expose(response, options);
  }
  if (preflight) response.writeHead(204).end();
  return preflight;
}

function isAllowed(origin: string, { allowedOrigins }: CorsOptions): boolean {
  return allowedOrigins.includes("*") || allowedOrigins.includes(origin);
}

function allow(response: ServerResponse, { allowedHeaders = [] }: CorsOptions): void {
  const headers = [...cors.allowedHeaders, ...REQUEST_HEADERS, ...allowedHeaders];
  response.setHeader("access-control-allow-methods", cors.allowedMethods.join(", "));
  response.setHeader("access-control-allow-headers", headers.join(", "));
  response.setHeader("access-control-max-age", MAX_AGE_S);
}

function expose(response: ServerResponse, { exposedHeaders = [] }: CorsOptions): void {
  const headers = [...cors.exposedHeaders, ...RESPONSE_HEADERS, ...exposedHeaders];
  response.setHeader("access-control-expose-headers", headers.join(", "));
}
