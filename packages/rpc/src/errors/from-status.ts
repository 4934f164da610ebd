import { fromBinary } from "@bufbuild/protobuf";
import {
  BadRequestSchema,
  type ErrorInfo,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "@lanekeeper/protocol/google/rpc/error_details";
import { type Status, StatusSchema } from "@lanekeeper/protocol/google/rpc/status";
import { Code, parseCode } from "./code.ts";
import { ERROR_DOMAIN, retryDelayMs } from "./error-details.ts";
import { LanekeeperError } from "./lanekeeper-error.ts";
import { isReason, type Reason } from "./reasons.ts";
import { RpcError } from "./rpc-error.ts";

/** The trailer that carries a google.rpc.Status. */
export const STATUS_DETAILS_KEY = "grpc-status-details-bin";

/**
 * The error that a status stands for: a LanekeeperError where its ErrorInfo names a reason of the
 * table, else an RpcError (a transport's own status, or a reason of a later release).
 */
export function fromStatus(status: Status, cause?: unknown): RpcError {
  const plain = new RpcError(parseCode(status.code), status.message, {
    details: status.details,
    cause,
    remote: true,
  });
  const info = plain.detail(ErrorInfoSchema);
  if (info?.domain !== ERROR_DOMAIN || !isReason(info.reason)) return plain;
  return typed(plain, info, info.reason);
}

function typed(plain: RpcError, info: ErrorInfo, reason: Reason): LanekeeperError {
  const retryAfterMs = retryDelayMs(plain.detail(RetryInfoSchema)?.retryDelay);
  const fieldViolations = plain.detail(BadRequestSchema)?.fieldViolations ?? [];
  return new LanekeeperError(reason, plain.message, {
    metadata: { ...info.metadata },
    details: plain.details,
    cause: plain.cause,
    remote: true,
    fieldViolations: fieldViolations.map(({ field, description }) => ({ field, description })),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** What a gRPC client library throws, as far as it is read here. */
export interface GrpcErrorLike {
  readonly code: number;
  readonly details: string;
  readonly metadata?: { get(key: string): readonly (string | Buffer)[] };
}

/** The error of a failed call of grpc-js. */
export function fromGrpcError(error: GrpcErrorLike): RpcError {
  const bytes = error.metadata?.get(STATUS_DETAILS_KEY)[0];
  const status = bytes instanceof Buffer ? decodeStatus(bytes) : undefined;
  if (status !== undefined) return fromStatus(status, error);
  if (isTooLarge(error)) {
    return new LanekeeperError("PAYLOAD_TOO_LARGE", error.details, { cause: error, remote: true });
  }
  const code = isCutOff(error) ? Code.UNAVAILABLE : parseCode(error.code);
  return new RpcError(code, error.details, { cause: error, remote: true });
}

function decodeStatus(bytes: Buffer): Status | undefined {
  try {
    return fromBinary(StatusSchema, bytes);
  } catch {
    return undefined; // a proxy may cut a trailer; the plain status still tells the code
  }
}

/**
 * A stream that was reset before any status came, as by a process or a proxy that dies, is INTERNAL to
 * grpc-js (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, "Errors"). No server said so:
 * what became of the call is not known, and asking again tells.
 */
function isCutOff(error: GrpcErrorLike): boolean {
  return error.code === Code.INTERNAL && error.details.startsWith("Received RST_STREAM with code ");
}

/** grpc-js answers a message over its own bound before any handler could attach ErrorInfo. */
function isTooLarge(error: GrpcErrorLike): boolean {
  return (
    error.code === Code.RESOURCE_EXHAUSTED &&
    /^Received message (larger than max|that decompresses)/.test(error.details)
  );
}
