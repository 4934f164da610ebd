import { ErrorInfoSchema } from "@lanekeeper/protocol/google/rpc/error_details";
import { Code } from "./code.ts";
import { RpcError } from "./rpc-error.ts";

/** An error whose call may be sent again. */
export type RetryableError = RpcError & {
  readonly code: typeof Code.UNAVAILABLE | typeof Code.DEADLINE_EXCEEDED;
};

/**
 * The one predicate that decides whether a call between services is sent again, with the same
 * request: UNAVAILABLE (nothing answered, or the answer is DRAINING or STORE_UNAVAILABLE), and a
 * deadline that the transport set. A DEADLINE_EXCEEDED with ErrorInfo is a decision of a service.
 */
export function isRetryable(error: unknown): error is RetryableError {
  if (!(error instanceof RpcError)) return false;
  if (error.code === Code.UNAVAILABLE) return true;
  return error.code === Code.DEADLINE_EXCEEDED && error.detail(ErrorInfoSchema) === undefined;
}
