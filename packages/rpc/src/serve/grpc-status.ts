import { create, toBinary } from "@bufbuild/protobuf";
import { Metadata } from "@grpc/grpc-js";
import { type Status, StatusSchema } from "@lanekeeper/protocol/google/rpc/status";
import { STATUS_DETAILS_KEY } from "../errors/from-status.ts";

/** What grpc-js sends as the end of a failed call. */
export interface GrpcStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/** Node's HTTP/2 peers take 64 KiB of headers, base64 adds a third; proxies take less. */
const MAX_DETAILS_BYTES = 16 * 1024;

/** The status with its details in the trailer, which grpc-js does not put there by itself. */
export function grpcStatus(status: Status): GrpcStatus {
  const metadata = new Metadata();
  if (status.details.length > 0) metadata.set(STATUS_DETAILS_KEY, detailBytes(status));
  return { code: status.code, details: status.message, metadata };
}

/** Over the bound only the first detail goes out: ErrorInfo, which decides. */
function detailBytes(status: Status): Buffer {
  const bytes = Buffer.from(toBinary(StatusSchema, status));
  if (bytes.length <= MAX_DETAILS_BYTES) return bytes;
  const { code, message, details } = status;
  const first = create(StatusSchema, { code, message, details: details.slice(0, 1) });
  return Buffer.from(toBinary(StatusSchema, first));
}
