import { type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { durationFromMs, DurationSchema } from "@bufbuild/protobuf/wkt";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type Status, StatusSchema } from "@lanekeeper/protocol/google/rpc/status";
import { asBuffer, EncodedMessage, encodeMessage } from "../codec.ts";
import type { Caller } from "../metadata/caller.ts";
import { encodeList } from "../metadata/percent.ts";
import type { ExchangeShape } from "./exchange-shape.ts";
import type { FrameMethod } from "./frame-method.ts";

/**
 * Frames are written by field number, around messages that are already encoded: a request is encoded
 * once for all its attempts, over whichever way they go, and an answer that does not encode fails its
 * own call, not the stream. `call_id` is field 1 and `error` field 2 of every ExchangeResponse.
 */
const CALL_ID = 1;
const ERROR = 2;

export function resultFrame(
  callId: bigint,
  { method, resultField }: FrameMethod,
  value: MessageInitShape<DescMessage>,
): EncodedMessage {
  return frame(callId, resultField, encodeMessage(method.output, value));
}

export function errorFrame(callId: bigint, status: Status): EncodedMessage {
  return frame(callId, ERROR, toBinary(StatusSchema, status));
}

function frame(callId: bigint, field: number, message: Uint8Array): EncodedMessage {
  const writer = new BinaryWriter().tag(CALL_ID, WireType.Varint).int64(callId);
  writer.tag(field, WireType.LengthDelimited).bytes(message);
  return new EncodedMessage(asBuffer(writer.finish()));
}

/** One call on its way into a frame. */
export interface OutgoingFrame {
  readonly traceparent: string | undefined;
  readonly caller: Caller;
  readonly requestId: string | undefined;
  /** The local name of the method. */
  readonly name: string;
  /** The encoded request. */
  readonly request: Buffer;
}

/**
 * Writes the frame of a call. What a shape has no field for is left out.
 *
 * @param timeoutMs Infinity: the server's default
 */
export function callFrame(
  shape: ExchangeShape,
  callId: bigint,
  timeoutMs: number,
  call: OutgoingFrame,
): Buffer {
  const writer = new BinaryWriter().tag(CALL_ID, WireType.Varint).int64(callId);
  const text = (name: string, value: string | undefined): void => {
    const field = shape.request.get(name);
    if (field === undefined || value === undefined || value === "") return;
    writer.tag(field, WireType.LengthDelimited).string(value);
  };
  writeTimeout(writer, shape, timeoutMs);
  text("traceparent", call.traceparent);
  text("tenant", call.caller.tenant);
  text("principal", call.caller.principal);
  text("requestId", call.requestId);
  text("scopes", encodeList(call.caller.scopes));
  text("keyPrefixes", encodeList(call.caller.keyPrefixes));
  text("agents", encodeList(call.caller.agents));
  writer.tag(shape.calls.get(call.name) ?? 0, WireType.LengthDelimited).bytes(call.request);
  return asBuffer(writer.finish());
}

function writeTimeout(writer: BinaryWriter, shape: ExchangeShape, timeoutMs: number): void {
  const field = shape.request.get("timeout");
  if (field === undefined || timeoutMs === Number.POSITIVE_INFINITY) return;
  const duration = toBinary(DurationSchema, durationFromMs(Math.max(1, Math.ceil(timeoutMs))));
  writer.tag(field, WireType.LengthDelimited).bytes(duration);
}

/** Writes the frame that asks nothing: whoever is there answers it, with UNIMPLEMENTED. */
export function pingFrame(callId: bigint): Buffer {
  return asBuffer(new BinaryWriter().tag(CALL_ID, WireType.Varint).int64(callId).finish());
}

/** Writes the frame that cancels a call. */
export function cancelFrame(shape: ExchangeShape, callId: bigint): Buffer {
  const writer = new BinaryWriter().tag(CALL_ID, WireType.Varint).int64(callId);
  writer.tag(shape.cancel, WireType.LengthDelimited).bytes(new Uint8Array());
  return asBuffer(writer.finish());
}
