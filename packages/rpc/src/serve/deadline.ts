import type { DescMethod } from "@bufbuild/protobuf";
import type { ServerCall } from "../call/server-call.ts";
import { Code } from "../errors/code.ts";
import { RpcError } from "../errors/rpc-error.ts";
import type { ServeLimits } from "./limits.ts";

/**
 * When a call ends at the latest, in epoch milliseconds. Unary calls get a default and a maximum;
 * a stream lives as long as its caller lets it.
 */
export function effectiveDeadline(
  method: DescMethod,
  asked: Date | number,
  limits: Pick<ServeLimits, "defaultTimeoutMs" | "maxTimeoutMs">,
): number {
  const askedMs = Number(asked);
  if (method.methodKind !== "unary") return askedMs;
  const now = Date.now();
  if (askedMs === Number.POSITIVE_INFINITY) return now + limits.defaultTimeoutMs;
  return Math.min(askedMs, now + limits.maxTimeoutMs);
}

export function deadlineExceeded(): RpcError {
  return new RpcError(Code.DEADLINE_EXCEEDED, "the deadline passed before the answer was there");
}

export function cancelled(): RpcError {
  return new RpcError(Code.CANCELLED, "the caller cancelled the call");
}

/**
 * Aborts the call at its deadline where nobody else does: grpc-js keeps a timer only for the
 * deadline that the caller sent. Returns what stops the timer.
 */
export function armDeadline(call: ServerCall, deadlineMs: number): () => void {
  const timer = setTimeout(() => call.abort(deadlineExceeded()), deadlineMs - Date.now());
  return () => clearTimeout(timer);
}
