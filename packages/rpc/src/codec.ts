import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { payloadTooLarge } from "./errors/constructors.ts";
import { LanekeeperError } from "./errors/lanekeeper-error.ts";

/**
 * Messages are decoded here rather than by grpc-js, which answers what it cannot decode with a bare
 * status and no ErrorInfo. So grpc-js carries bytes.
 */
export const rawBytes = (bytes: Buffer): Buffer => bytes;

/** @throws PAYLOAD_TOO_LARGE above the bound, INVALID_REQUEST for bytes that are no such message. */
export function decodeMessage<D extends DescMessage>(
  schema: D,
  bytes: Buffer,
  maxBytes: number = Number.POSITIVE_INFINITY,
): MessageShape<D> {
  if (bytes.length > maxBytes) throw payloadTooLarge(schema.typeName, maxBytes, bytes.length);
  try {
    return fromBinary(schema, bytes);
  } catch {
    throw new LanekeeperError("INVALID_REQUEST", `the bytes are no ${schema.typeName}`);
  }
}

export function encodeMessage<D extends DescMessage>(schema: D, init: MessageInitShape<D>): Buffer {
  const bytes = toBinary(schema, create(schema, init));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
