import { invalid } from "@lanekeeper/rpc";

/**
 * The request headers that decide something. Node joins or drops repeats of a header, each name in
 * its own way, so a repeat of one of these could say one thing to a proxy and another here.
 */
const SINGLE_HEADERS = [
  "authorization",
  "idempotency-key",
  "last-event-id",
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
  "x-request-id",
  "x-session-key",
  "x-session-key-encoded",
  "x-stainless-retry-count",
] as const;

export type SingleHeaderName = (typeof SINGLE_HEADERS)[number];

/** Headers of one request of which each stands there at most once. */
export interface SingleHeaders {
  /** The text as it came, decoded as Latin-1, without the white space at its ends. */
  get(name: SingleHeaderName): string | undefined;
  /**
   * The same, where nothing but printable ASCII is taken. Header values arrive as Latin-1; guessing
   * whether UTF-8 was meant would make two names of one.
   * @throws INVALID_REQUEST
   */
  ascii(name: SingleHeaderName): string | undefined;
}

const NAMES: ReadonlySet<string> = new Set(SINGLE_HEADERS);

/**
 * Reads them from `rawHeaders` (names and values in turn).
 * @throws INVALID_REQUEST naming a header that is repeated.
 */
export function readSingleHeaders(rawHeaders: readonly string[]): SingleHeaders {
  const found = new Map<string, string>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase() ?? "";
    if (!NAMES.has(name)) continue;
    if (found.has(name)) throw invalid(name, "the header is repeated; send it once");
    found.set(name, rawHeaders[i + 1] ?? "");
  }
  return { get: (name) => found.get(name), ascii: (name) => asciiOf(name, found.get(name)) };
}

function asciiOf(name: SingleHeaderName, value: string | undefined): string | undefined {
  if (value === undefined || /^[ -~]*$/.test(value)) return value;
  const instead = "a session's name can be sent percent-encoded in x-session-key-encoded";
  throw invalid(name, `is not printable ASCII; ${instead}`);
}

/**
 * Two hosts could mean one place to a proxy and another here, and none is no HTTP/1.1 (RFC 9112, 3.2).
 * @throws INVALID_REQUEST
 */
export function requireOneHost({ rawHeaders, httpVersion }: HostOf): void {
  const hosts = rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === "host");
  if (hosts.length > 1) throw invalid("host", "the header is repeated; send it once");
  if (hosts.length === 0 && httpVersion === "1.1") throw invalid("host", "the header is missing");
}

interface HostOf {
  readonly rawHeaders: readonly string[];
  readonly httpVersion: string;
}
