import { boundedSignal, type Clock } from "@lanekeeper/service";
import { retryAfterMs } from "../../domain/retry-after.ts";
import type { Limits } from "../../limits.ts";
import { connectPinned } from "./connect.ts";
import { type Resolve, resolvedBefore } from "./resolve.ts";
import { Connection } from "./connection.ts";

/** What calls to a platform's API stand on. The address is the operator's choice, so none is refused. */
export interface ApiDeps {
  readonly resolve: Resolve;
  readonly clock: Clock;
  readonly limits: Pick<
    Limits,
    "connectMs" | "postMs" | "apiResponseBytes" | "retryAfterMs" | "errorChars"
  >;
  /** Lanekeeper's, for the User-Agent. */
  readonly version: string;
}

export interface ApiRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
  readonly signal: AbortSignal;
  /** Called once the connection stands, right before the first byte; what it throws is passed on. */
  readonly beforeSend?: () => Promise<void>;
}

export type ApiAnswer =
  | {
      readonly kind: "answered";
      readonly status: number;
      /** Undefined: it is no JSON. */
      readonly json: unknown;
      readonly retryAfterMs: number | undefined;
    }
  /** Nothing was sent. */
  | { readonly kind: "no_connection"; readonly error: string }
  /** It was sent, and nobody knows what became of it. */
  | { readonly kind: "no_answer"; readonly error: string };

/** One call, over a connection of its own, so that the claim stands right before the first byte. */
export async function callApi(deps: ApiDeps, request: ApiRequest): Promise<ApiAnswer> {
  const opened = await open(deps, request);
  if ("error" in opened) return { kind: "no_connection", error: opened.error };
  const { connection } = opened;
  try {
    await request.beforeSend?.();
    if (connection.isOpen) return await exchange(deps, request, connection);
    return { kind: "no_connection", error: "the connection was lost before anything was sent" };
  } finally {
    connection.close();
  }
}

async function open(
  { resolve, limits }: ApiDeps,
  { url, signal }: ApiRequest,
): Promise<{ readonly connection: Connection } | { readonly error: string }> {
  try {
    const name = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const addresses = await resolvedBefore(boundedSignal(signal, limits.connectMs), resolve(name));
    const bounded = boundedSignal(signal, limits.connectMs);
    return { connection: new Connection(url, await connectPinned(url, addresses, bounded)) };
  } catch (error) {
    return { error: `no connection: ${messageOf(error)}` };
  }
}

async function exchange(
  { clock, limits, version }: ApiDeps,
  { url, headers, body, signal }: ApiRequest,
  connection: Connection,
): Promise<ApiAnswer> {
  const agent = { "user-agent": `lanekeeper/${version}` };
  try {
    const {
      status,
      body: text,
      retryAfter,
    } = await connection.post({
      url,
      headers: { ...agent, ...headers },
      body,
      signal,
      timeoutMs: limits.postMs,
      responseBytes: limits.apiResponseBytes,
    });
    const asked = retryAfterMs(retryAfter, clock.now(), limits.retryAfterMs);
    return { kind: "answered", status, json: parse(text), retryAfterMs: asked };
  } catch (error) {
    return { kind: "no_answer", error: `no answer: ${messageOf(error)}` };
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
