import type { Any } from "@bufbuild/protobuf/wkt";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code as ConnectCode, ConnectError } from "@connectrpc/connect";
import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "@lanekeeper/protocol/google/rpc/error_details";
import { payloadTooLarge } from "../errors/constructors.ts";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import type { RpcError } from "../errors/rpc-error.ts";
import { fromStatus } from "../errors/from-status.ts";
import { toStatus } from "../errors/to-status.ts";
import { parseFailure } from "./parse-failure.ts";

type Details = ConnectError["details"];

/** Connect knows these as messages, so that its JSON shows them readably under `debug`. */
const READABLE: readonly DescMessage[] = [ErrorInfoSchema, RetryInfoSchema, BadRequestSchema];

/** The error that Connect sends for one of ours; its code numbers are those of gRPC. */
export function toConnectError(
  error: RpcError,
  headers: Headers | Record<string, string> = {},
): ConnectError {
  const connectError = new ConnectError(error.message, error.code as number, headers);
  connectError.details = error.details.map(toDetail);
  for (const [name, value] of retryHeaders(error)) connectError.metadata.set(name, value);
  return connectError;
}

function toDetail(any: Any): Details[number] {
  for (const desc of READABLE) {
    const value = anyUnpack(any, desc);
    if (value !== undefined) return { desc, value };
  }
  return { type: any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1), value: any.value };
}

/** What every HTTP error of ours says about asking again. */
function retryHeaders(error: RpcError): [string, string][] {
  if (!(error instanceof LanekeeperError)) return [];
  const retry = ["x-should-retry", String(error.row.shouldRetry === "yes")] as [string, string];
  if (error.retryAfterMs === undefined) return [retry];
  return [retry, ["retry-after", String(Math.max(1, Math.ceil(error.retryAfterMs / 1_000)))]];
}

/**
 * Connect refuses a body that does not parse, or is too large, before any handler runs, with a bare
 * error. This gives it the reason that gRPC callers get for the same; other errors stay as they are.
 */
export function withReason(
  error: ConnectError,
  method: DescMethod,
  readMaxBytes: number,
): ConnectError {
  if (error.details.length > 0) return error;
  const reason = reasonOf(error, method, readMaxBytes);
  return reason === undefined
    ? error
    : toConnectError(fromStatus(toStatus(reason)), error.metadata);
}

function reasonOf(
  { code, rawMessage }: ConnectError,
  method: DescMethod,
  readMaxBytes: number,
): LanekeeperError | undefined {
  switch (code) {
    case ConnectCode.InvalidArgument:
      return parseFailure(method.input, rawMessage);
    case ConnectCode.ResourceExhausted:
      return payloadTooLarge("the message", readMaxBytes);
    case ConnectCode.Internal:
      if (!rawMessage.startsWith("parse binary")) return undefined;
      return new LanekeeperError("INVALID_REQUEST", `the bytes are no ${method.input.typeName}`);
    default:
      return undefined;
  }
}
