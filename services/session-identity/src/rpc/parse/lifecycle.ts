import { createHash } from "node:crypto";
import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type {
  BeginRunRequest,
  WriteLifecycleRequest,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { invalid, isReason } from "@lanekeeper/rpc";
import type { BeginCommand } from "../../domain/begin-run.ts";
import type { WriteReplyCommand } from "../../domain/write-reply.ts";
import type { RunEvent, WriteRunCommand } from "../../domain/write-run.ts";
import { LIMITS } from "../../limits.ts";
import { OUTCOMES, SETTLED_STATES, TURN_CLASSES, word } from "./enums.ts";
import { fence, replyFence } from "./fence.ts";
import { sessionKey } from "./key.ts";
import { label, optionalPositive, optionalUuid, positive, prose, uuid, visibleId } from "./text.ts";
import { mintedMs } from "../../domain/run-id.ts";

export function beginCommand(request: BeginRunRequest): BeginCommand {
  const { acceptTime } = request;
  if (acceptTime === undefined) throw invalid("accept_time", "is required");
  return {
    sessionKey: sessionKey("session_key", request.sessionKey),
    admittedGeneration: positive("admitted_generation", request.admittedGeneration),
    admittedSessionId: optionalUuid("admitted_session_id", request.admittedSessionId),
    turnId: visibleId("turn_id", request.turnId),
    runId: freshRunId(uuid("run_id", request.runId)),
    leaseMs: leaseMs(request.leaseDuration),
    acceptMs: timestampMs(acceptTime),
    turnClass: word("turn_class", TURN_CLASSES, request.turnClass),
    requiredGeneration: optionalPositive("required_generation", request.requiredGeneration),
    model: label("model", request.model, LIMITS.maxModelBytes),
  };
}

function leaseMs(given: BeginRunRequest["leaseDuration"]): number {
  const ms = given === undefined ? 0 : durationMs(given);
  if (ms >= LIMITS.minLeaseMs && ms <= LIMITS.maxLeaseMs) return Math.floor(ms);
  throw invalid("lease_duration", `${LIMITS.minLeaseMs / 1000} s .. ${LIMITS.maxLeaseMs / 1000} s`);
}

/**
 * A run id that began never begins again, and what began is kept for a bounded time, so one that was minted
 * before that time is refused unseen.
 */
function freshRunId(runId: string): string {
  const minted = mintedMs(runId);
  if (minted === undefined || Date.now() - minted <= LIMITS.runIdMaxAgeMs) return runId;
  throw invalid("run_id", "was minted too long ago to know whether it began; mint another");
}

/** What a run or a reply writes, told apart. */
export type WriteCommand =
  | { readonly writer: "run"; readonly command: WriteRunCommand }
  | { readonly writer: "reply"; readonly command: WriteReplyCommand };

export function writeCommand(request: WriteLifecycleRequest): WriteCommand {
  const { writer } = request;
  if (writer.case === "run") {
    const event = runEvent(request.event);
    const eventSeq = event.kind === "ended" ? noSeq(request.eventSeq) : seq(request.eventSeq);
    const shown = fence("run", writer.value);
    const command = { fence: shown, eventSeq, event, fingerprint: fingerprint(event) };
    return { writer: "run", command };
  }
  if (writer.case === "reply") {
    const event = replyEvent(request.event);
    const command = {
      fence: replyFence("reply", writer.value),
      eventSeq: seq(request.eventSeq),
      event,
      fingerprint: fingerprint(event),
    };
    return { writer: "reply", command };
  }
  throw invalid("writer", "run or reply is required");
}

function seq(eventSeq: bigint): bigint {
  return positive("event_seq", eventSeq);
}

function noSeq(eventSeq: bigint): bigint {
  if (eventSeq === 0n) return eventSeq;
  throw invalid("event_seq", "0 on ended, of which there is one per run");
}

/** Equal for equal content, whatever its size. */
function fingerprint(event: object): string {
  return createHash("sha256")
    .update(JSON.stringify(event, textOfInt64))
    .digest("base64url")
    .slice(0, 22);
}

function textOfInt64(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

function runEvent(event: WriteLifecycleRequest["event"]): RunEvent {
  switch (event.case) {
    case "started":
      return {
        kind: "started",
        model: label("started.model", event.value.model, LIMITS.maxModelBytes),
      };
    case "progress":
      return {
        kind: "progress",
        phase: label("progress.phase", event.value.phase, LIMITS.maxPhaseBytes),
      };
    case "ended": {
      const { outcome, errorReason, errorMessage, inputTokens, outputTokens } = event.value;
      if (errorReason !== "" && !isReason(errorReason)) {
        throw invalid("ended.error_reason", "is no reason of lanekeeper.errors.v1");
      }
      return {
        kind: "ended",
        outcome: word("ended.outcome", OUTCOMES, outcome),
        errorReason,
        errorMessage: prose("ended.error_message", errorMessage, LIMITS.maxErrorChars),
        inputTokens: notNegative("ended.input_tokens", inputTokens),
        outputTokens: notNegative("ended.output_tokens", outputTokens),
      };
    }
    default:
      throw invalid("event", "a run writes started, progress or ended");
  }
}

function replyEvent(event: WriteLifecycleRequest["event"]): WriteReplyCommand["event"] {
  switch (event.case) {
    case "sending":
      if (event.value.attempt < 1) throw invalid("sending.attempt", "at least 1");
      return { kind: "sending", attempt: event.value.attempt };
    case "settled": {
      const { state, providerMessageId, errorMessage } = event.value;
      const field = "settled.provider_message_id";
      return {
        kind: "settled",
        state: word("settled.state", SETTLED_STATES, state),
        providerMessageId: label(field, providerMessageId, LIMITS.maxProviderIdBytes),
        errorMessage: prose("settled.error_message", errorMessage, LIMITS.maxErrorChars),
      };
    }
    default:
      throw invalid("event", "a reply writes sending or settled");
  }
}

function notNegative(field: string, value: bigint): bigint {
  if (value >= 0n) return value;
  throw invalid(field, "not negative");
}
