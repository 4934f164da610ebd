import type { DescMethod } from "@bufbuild/protobuf";
import type { CodeName } from "../errors/code.ts";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import type { RpcError } from "../errors/rpc-error.ts";

/** One finished call, for metrics. All values but the duration have few distinct values. */
export interface CallReport {
  readonly side: "server" | "client";
  readonly transport: "grpc" | "connect" | "exchange";
  /** Fully qualified. */
  readonly service: string;
  readonly method: string;
  readonly code: CodeName;
  /** A reason of the table; empty on success and where the transport failed. */
  readonly reason: string;
  readonly durationMs: number;
  /** On the server the peer's name, on the client the target; empty where nobody is known. */
  readonly peer: string;
}

/** An error that no reason stands for: a bug, and the caller was told only this id. */
export interface InternalErrorReport {
  readonly errorId: string;
  readonly error: unknown;
  readonly method: string;
  readonly requestId: string;
  readonly tenant: string;
  /** W3C traceparent of the call; undefined where it was not let in. */
  readonly traceparent: string | undefined;
}

/** What a process hangs in to count and to log. Hooks must not throw, and must be quick. */
export interface RpcHooks {
  readonly onCall?: (report: CallReport) => void;
  /** Without one the error goes to stderr, since its id would lead nowhere otherwise. */
  readonly onInternalError?: (report: InternalErrorReport) => void;
}

/** Hands an internal error to the hook, or to stderr. */
export function reportInternal(hooks: RpcHooks, report: InternalErrorReport): void {
  if (hooks.onInternalError !== undefined) hooks.onInternalError(report);
  else console.error(`internal error ${report.errorId} in ${report.method}:`, report.error);
}

/** Tells the metrics hook about a finished call; undefined: it succeeded. */
export function reportCall(
  hooks: RpcHooks,
  method: DescMethod,
  where: Pick<CallReport, "side" | "transport" | "peer" | "durationMs">,
  error: RpcError | undefined,
): void {
  hooks.onCall?.({
    side: where.side,
    transport: where.transport,
    peer: where.peer,
    durationMs: where.durationMs,
    service: method.parent.typeName,
    method: method.name,
    code: error === undefined ? "OK" : error.codeName,
    reason: error instanceof LanekeeperError ? error.reason : "",
  });
}
