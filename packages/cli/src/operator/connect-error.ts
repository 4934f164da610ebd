import { fromBinary } from "@bufbuild/protobuf";
import { ErrorInfoSchema } from "@lanekeeper/protocol/google/rpc/error_details";
import { isReason, LanekeeperError } from "@lanekeeper/rpc";
import { CliError } from "../cli-error.ts";

/** A service behind ingress does not answer. */
export class SilentServiceError extends CliError {}

/** Connect's codes for it: https://connectrpc.com/docs/protocol#error-codes */
const SILENT = new Set(["unavailable", "deadline_exceeded"]);

interface ConnectErrorBody {
  readonly code?: string;
  readonly message?: string;
  readonly details?: readonly { readonly type?: string; readonly value?: string }[];
}

/** What a refusal over Connect says: https://connectrpc.com/docs/protocol#error-end-stream */
export function connectError(url: string, status: number, answer: unknown): Error {
  if (typeof answer !== "object" || answer === null) {
    return new CliError(
      `${url} answers with HTTP ${status} and no Connect error: is it a Lanekeeper?`,
    );
  }
  const { code = `HTTP ${status}`, message = "", details = [] } = answer as ConnectErrorBody;
  const info = errorInfo(details);
  if (info !== undefined && isReason(info.reason)) {
    return new LanekeeperError(info.reason, message, { metadata: info.metadata });
  }
  const told = `${url} answers ${code}: ${message}`;
  return SILENT.has(code) ? new SilentServiceError(told) : new CliError(told);
}

function errorInfo(details: NonNullable<ConnectErrorBody["details"]>) {
  const found = details.find(({ type }) => type === ErrorInfoSchema.typeName);
  return found?.value === undefined
    ? undefined
    : fromBinary(ErrorInfoSchema, Buffer.from(found.value, "base64"));
}
