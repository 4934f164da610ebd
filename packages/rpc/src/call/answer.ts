import type { Status } from "@lanekeeper/protocol/google/rpc/status";
import { fromStatus } from "../errors/from-status.ts";
import { RpcError } from "../errors/rpc-error.ts";
import { toStatus } from "../errors/to-status.ts";
import { reportInternal, type RpcHooks } from "../telemetry/hooks.ts";
import type { ServerCall } from "./server-call.ts";

/** A failed call: the status on the wire, and the same as an error for span and metrics. */
export interface FailedAnswer {
  readonly status: Status;
  readonly error: RpcError;
}

/**
 * What the caller is told when a handler threw. A library's own AbortError after the call was
 * aborted is no bug: it stands for the reason of the abort.
 */
export function failedAnswer(
  thrown: unknown,
  hooks: RpcHooks,
  method: string,
  call: ServerCall | undefined,
): FailedAnswer {
  const aborted = call?.abortReason;
  const error = aborted !== undefined && !(thrown instanceof RpcError) ? aborted : thrown;
  const status = toStatus(error, (errorId, internal) =>
    reportInternal(hooks, {
      errorId,
      error: internal,
      method,
      requestId: call?.requestId ?? "",
      tenant: call?.tenant ?? "",
      traceparent: call?.traceparent,
    }),
  );
  return { status, error: fromStatus(status) };
}
