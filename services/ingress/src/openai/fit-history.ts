import { create, toBinary } from "@bufbuild/protobuf";
import { SubmitTurnRequestSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { invalid, LanekeeperError, payloadTooLarge } from "@lanekeeper/rpc";
import type { IngressLimits } from "../limits.ts";
import type { TurnAsk } from "../turns/turn-ask.ts";
import { leaveOutOldest } from "./leave-out-oldest.ts";
import { fits, type Size, sizeOf } from "./message-size.ts";

/** The request as it came. */
interface Came {
  /** What has the messages, in the caller's words. */
  readonly field: "messages" | "input";
  readonly bodyBytes: number;
}

/**
 * The request with as much of its history as the runner takes. What is new in it is told by its last answer
 * and what follows, which stay; what stands before that only seeds an empty transcript, so of a request with
 * a session its oldest exchanges are left out. Without a session all messages are the context, of which
 * nothing is left out unsaid.
 * @throws INVALID_REQUEST for too many messages, PAYLOAD_TOO_LARGE for too many bytes
 */
export function fitHistory(
  ask: TurnAsk,
  came: Came,
  limits: Pick<IngressLimits, "maxMessages" | "maxParametersBytes" | "maxTurnBytes">,
): TurnAsk {
  refuseLargeParameters(ask, came, limits);
  const { messages, rawKey } = ask;
  const size = sizeOf(messages);
  const { maxMessages: count, maxTurnBytes } = limits;
  const withoutParameters = maxTurnBytes - ENVELOPE_BYTES;
  const mostParameters = came.bodyBytes * STRUCT_BYTES_PER_JSON_BYTE;
  if (fits(size, { count, bytes: withoutParameters - mostParameters })) return ask;
  const room = { count, bytes: withoutParameters - parametersBytes(ask) };
  if (fits(size, room)) return ask;
  if (rawKey === undefined) {
    throw tooMuch(came.field, "without a session all of them are the context", size, room);
  }
  const kept = leaveOutOldest(messages, room);
  const left = sizeOf(kept);
  if (!fits(left, room)) throw tooMuch(came.field, NOTHING_ELSE, left, room);
  return { ...ask, messages: kept };
}

/** The runner's bound; told here, before the name is resolved. As JSON no number grows by more than in a Struct. */
function refuseLargeParameters(
  { parameters }: TurnAsk,
  { bodyBytes }: Came,
  { maxParametersBytes: most }: Pick<IngressLimits, "maxParametersBytes">,
): void {
  if (bodyBytes * STRUCT_BYTES_PER_JSON_BYTE <= most) return;
  const bytes = Buffer.byteLength(JSON.stringify(parameters));
  if (bytes > most)
    throw payloadTooLarge("what goes to the model beside the messages", most, bytes);
}

/** Names, keys and ids: those of headers have 16 KiB. */
const ENVELOPE_BYTES = 32 * 1024;

/** A number of a list has 2 bytes as JSON and 11 in google.protobuf.Struct; all else grows by less. */
const STRUCT_BYTES_PER_JSON_BYTE = 6;

const NOTHING_ELSE =
  "counted are system messages at the head, the last answer and what follows it; older ones are left out";

function parametersBytes({ parameters }: TurnAsk): number {
  return toBinary(SubmitTurnRequestSchema, create(SubmitTurnRequestSchema, { parameters })).length;
}

function tooMuch(field: string, why: string, size: Size, room: Size): LanekeeperError {
  if (size.count > room.count) {
    return invalid(field, `may have ${room.count} messages, got ${size.count}; ${why}`);
  }
  const limitBytes = Math.max(0, room.bytes);
  const description = `may have ${limitBytes} bytes beside the parameters, got ${size.bytes}; ${why}`;
  return new LanekeeperError("PAYLOAD_TOO_LARGE", `${field}: ${description}`, {
    metadata: { field, limit_bytes: String(limitBytes) },
    fieldViolations: [{ field, description }],
  });
}
