import { setTimeout as sleep } from "node:timers/promises";
import {
  backoffMs,
  Code,
  DEFAULT_RETRY,
  isRetryable,
  type RetryPolicy,
  RpcError,
} from "@lanekeeper/rpc";
import type { EdgeCallOptions, EdgeOptions } from "./edge-options.ts";

/** A unary call may take this long where nobody says otherwise; as over gRPC. */
const DEFAULT_TIMEOUT_MS = 10_000;

/** One call, over all its attempts. */
export interface EdgeCall {
  readonly headers: Readonly<Record<string, string>>;
  /** Epoch milliseconds; Infinity: none. */
  readonly deadlineMs: number;
  readonly retry: RetryPolicy;
  readonly signal: AbortSignal | undefined;
}

/** A call that begins now. */
export function edgeCall(
  edge: EdgeOptions,
  kind: "unary" | "stream",
  options: EdgeCallOptions,
): EdgeCall {
  const byDefault =
    kind === "unary" ? (edge.timeoutMs ?? DEFAULT_TIMEOUT_MS) : Number.POSITIVE_INFINITY;
  return {
    headers: headersOf(edge, options),
    deadlineMs: Date.now() + (options.timeoutMs ?? byDefault),
    retry: retryOf(edge, options),
    signal: options.signal,
  };
}

function headersOf(
  { apiKey }: EdgeOptions,
  { requestId, traceparent }: EdgeCallOptions,
): Record<string, string> {
  return {
    authorization: `Bearer ${apiKey}`,
    "connect-protocol-version": "1",
    ...(requestId === undefined ? {} : { "x-request-id": requestId }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

function retryOf(edge: EdgeOptions, { retry }: EdgeCallOptions): RetryPolicy {
  if (retry === false) return { ...DEFAULT_RETRY, maxAttempts: 1 };
  return { ...DEFAULT_RETRY, ...edge.retry, ...retry };
}

/** Repeats an attempt with the same request, as long as the one predicate and the deadline let it. */
export async function withRetries<T>(call: EdgeCall, attempt: () => Promise<T>): Promise<T> {
  for (let failed = 1; ; failed += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!isRetryable(error) || failed >= call.retry.maxAttempts) throw error;
      const waitMs = backoffMs(call.retry, failed, error);
      if (Date.now() + waitMs >= call.deadlineMs) throw error;
      await pause(waitMs, call.signal);
    }
  }
}

/** Waits. @throws RpcError CANCELLED when the signal aborts */
async function pause(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(waitMs, undefined, signal === undefined ? {} : { signal });
  } catch (cause) {
    throw cancelled(cause);
  }
}

/** What a failure of `fetch` means: the caller left, the time is over, or nobody answered. */
export function transportError(call: EdgeCall, cause: unknown): RpcError {
  if (cause instanceof RpcError) return cause;
  if (call.signal?.aborted) return cancelled(call.signal.reason);
  if (Date.now() >= call.deadlineMs) {
    return new RpcError(Code.DEADLINE_EXCEEDED, "the deadline passed", { cause });
  }
  return new RpcError(Code.UNAVAILABLE, "ingress cannot be reached", { cause });
}

function cancelled(cause: unknown): RpcError {
  return new RpcError(Code.CANCELLED, "the call was cancelled", { cause });
}
