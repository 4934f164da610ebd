import { Code, RpcError } from "@lanekeeper/rpc";

/** One message of a stream: https://connectrpc.com/docs/protocol#streaming-rpcs */
export interface Envelope {
  /** The last one, which is JSON: how the stream ended. */
  readonly isEnd: boolean;
  readonly data: Uint8Array;
}

/** A byte of flags and four of length stand before each message. */
const HEAD_BYTES = 5;
const COMPRESSED = 0b01;
const END = 0b10;
/** As over gRPC: pages of transcripts come back. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** A message with its head. */
export function envelope(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEAD_BYTES + data.length);
  new DataView(bytes.buffer).setUint32(1, data.length);
  bytes.set(data, HEAD_BYTES);
  return bytes;
}

/** The messages of a body. @throws RpcError for one that is cut, compressed or too large */
export async function* envelopes(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Envelope> {
  let held = Buffer.alloc(0);
  for await (const chunk of body) {
    held = held.length === 0 ? Buffer.from(chunk) : Buffer.concat([held, chunk]);
    while (held.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + lengthOf(held);
      if (held.length < end) break;
      yield { isEnd: (held.readUInt8(0) & END) !== 0, data: held.subarray(HEAD_BYTES, end) };
      held = held.subarray(end);
    }
  }
  if (held.length > 0) throw new RpcError(Code.UNAVAILABLE, "the stream was cut in a message");
}

function lengthOf(head: Buffer): number {
  if ((head.readUInt8(0) & COMPRESSED) !== 0) {
    throw new RpcError(Code.INTERNAL, "a message is compressed, which was not asked for");
  }
  const length = head.readUInt32BE(1);
  if (length <= MAX_MESSAGE_BYTES) return length;
  throw new RpcError(
    Code.INTERNAL,
    `a message has ${length} bytes of at most ${MAX_MESSAGE_BYTES}`,
  );
}
