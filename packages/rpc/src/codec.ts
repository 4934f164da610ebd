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

/** A message that was encoded already, standing where a message is expected. */
export class EncodedMessage {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

export function encodeMessage<D extends DescMessage>(
  schema: D,
  init: MessageInitShape<D> | EncodedMessage,
): Buffer {
  if (init instanceof EncodedMessage) return init.bytes;
  const bytes = toBinary(schema, create(schema, init));
  return asBuffer(bytes);
}

/** The same bytes, not a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
