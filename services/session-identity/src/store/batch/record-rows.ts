import type { CanonicalKey } from "@lanekeeper/session-key";
import type { RunOutcome } from "../../domain/key-state.ts";
import type {
  Birth,
  EventRecord,
  ReplyRecord,
  Rotation,
  RotationReason,
  RunRecord,
  RunState,
  WriterKind,
} from "../../domain/records.ts";
import { big, iso, type Moment, ms, optional, type Whole } from "./values.ts";

/** Rows beside a key's own, as the driver or to_jsonb gives them, and as they are written. */
export interface RunRow {
  readonly run_id: string;
  readonly session_key: string;
  readonly turn_id: string;
  readonly run_epoch: Whole;
  readonly begin_generation: Whole;
  readonly begin_session_id: string;
  readonly lease_ms: number;
  readonly begin_time: Moment;
  readonly state: string;
  readonly stale_generation: Whole | null;
  readonly ending: EndingJson | null;
}

interface EndingJson {
  readonly outcome: string;
  readonly errorReason: string;
  readonly errorMessage: string;
  readonly inputTokens: string;
  readonly outputTokens: string;
  readonly revision: string;
}

export function runOf(row: RunRow): RunRecord {
  return {
    runId: row.run_id,
    sessionKey: row.session_key as CanonicalKey,
    turnId: row.turn_id,
    epoch: big(row.run_epoch),
    beginGeneration: big(row.begin_generation),
    beginSessionId: row.begin_session_id,
    leaseMs: row.lease_ms,
    beginMs: ms(row.begin_time),
    state: row.state as RunState,
    staleGeneration: row.stale_generation === null ? undefined : big(row.stale_generation),
    ending: row.ending === null ? undefined : endingOf(row.ending),
  };
}

function endingOf(json: EndingJson): NonNullable<RunRecord["ending"]> {
  return {
    outcome: json.outcome as RunOutcome,
    errorReason: json.errorReason,
    errorMessage: json.errorMessage,
    inputTokens: BigInt(json.inputTokens),
    outputTokens: BigInt(json.outputTokens),
    revision: BigInt(json.revision),
  };
}

export function runRow(tenant: string, run: RunRecord) {
  return {
    tenant,
    run_id: run.runId,
    session_key: run.sessionKey,
    turn_id: run.turnId,
    run_epoch: String(run.epoch),
    begin_generation: String(run.beginGeneration),
    begin_session_id: run.beginSessionId,
    lease_ms: run.leaseMs,
    begin_time: iso(run.beginMs),
    state: run.state,
    stale_generation: run.staleGeneration === undefined ? null : String(run.staleGeneration),
    ending: run.ending === undefined ? null : endingRow(run.ending),
  };
}

function endingRow(ending: NonNullable<RunRecord["ending"]>): EndingJson {
  return {
    ...ending,
    inputTokens: String(ending.inputTokens),
    outputTokens: String(ending.outputTokens),
    revision: String(ending.revision),
  };
}

export interface EventRow {
  readonly writer_kind: string;
  readonly writer_id: string;
  readonly event_seq: Whole;
  readonly session_key: string;
  readonly fingerprint: string;
  readonly applied: boolean;
  readonly lease_ms: number;
  readonly revision: Whole;
  readonly create_time: Moment;
}

export function eventOf(row: EventRow): EventRecord {
  return {
    writerKind: row.writer_kind as WriterKind,
    writerId: row.writer_id,
    eventSeq: big(row.event_seq),
    sessionKey: row.session_key as CanonicalKey,
    fingerprint: row.fingerprint,
    answer: { applied: row.applied, leaseMs: row.lease_ms, revision: big(row.revision) },
    createMs: ms(row.create_time),
  };
}

export function eventRow(tenant: string, event: EventRecord) {
  return {
    tenant,
    writer_kind: event.writerKind,
    writer_id: event.writerId,
    event_seq: String(event.eventSeq),
    session_key: event.sessionKey,
    fingerprint: event.fingerprint,
    applied: event.answer.applied,
    lease_ms: event.answer.leaseMs,
    revision: String(event.answer.revision),
    create_time: iso(event.createMs),
  };
}

export interface ReplyRow {
  readonly delivery_id: string;
  readonly session_key: string;
  readonly generation: Whole;
  readonly turn_id: string;
  readonly state: string;
  readonly claimed: boolean;
  readonly attempt: number;
  readonly provider_message_id: string;
  readonly error_message: string;
  readonly update_time: Moment;
}

export function replyOf(row: ReplyRow): ReplyRecord {
  return {
    deliveryId: row.delivery_id,
    sessionKey: row.session_key as CanonicalKey,
    generation: big(row.generation),
    turnId: row.turn_id,
    state: row.state as ReplyRecord["state"],
    claimed: row.claimed,
    attempt: row.attempt,
    providerMessageId: row.provider_message_id,
    errorMessage: row.error_message,
    updateMs: ms(row.update_time),
  };
}

export function replyRow(tenant: string, reply: ReplyRecord) {
  return {
    tenant,
    delivery_id: reply.deliveryId,
    session_key: reply.sessionKey,
    generation: String(reply.generation),
    turn_id: reply.turnId,
    state: reply.state,
    claimed: reply.claimed,
    attempt: reply.attempt,
    provider_message_id: reply.providerMessageId,
    error_message: reply.errorMessage,
    update_time: iso(reply.updateMs),
  };
}

export interface RotationRow {
  readonly session_key: string;
  readonly agent_id: string;
  readonly generation: Whole;
  readonly session_id: string;
  readonly reason: string;
  readonly previous_session_id: string;
  readonly previous_generation: Whole;
  readonly parent_session_id: string | null;
  readonly parent_through_turn_id: string;
  readonly principal: string;
  readonly note: string;
  readonly create_time: Moment;
  readonly queued_turns: string;
  readonly pending_replies: string;
  readonly perhaps_sent_count: number;
}

export function rotationOf(row: RotationRow): Rotation {
  return {
    sessionKey: row.session_key as CanonicalKey,
    agentId: row.agent_id,
    previousSessionId: row.previous_session_id,
    previousGeneration: big(row.previous_generation),
    sessionId: row.session_id,
    generation: big(row.generation),
    reason: row.reason as RotationReason,
    parentSessionId: optional(row.parent_session_id),
    parentThroughTurnId: row.parent_through_turn_id,
    principal: row.principal,
    note: row.note,
    createMs: ms(row.create_time),
    queuedTurns: row.queued_turns as Rotation["queuedTurns"],
    pendingReplies: row.pending_replies as Rotation["pendingReplies"],
    perhapsSentCount: row.perhaps_sent_count,
  };
}

export function generationRow(tenant: string, begun: Rotation | Birth) {
  const rotation = "reason" in begun ? begun : undefined;
  return {
    tenant,
    session_key: begun.sessionKey,
    agent_id: begun.agentId,
    generation: String(begun.generation),
    session_id: begun.sessionId,
    reason: rotation?.reason ?? null,
    previous_session_id: rotation?.previousSessionId ?? null,
    previous_generation: rotation === undefined ? null : String(rotation.previousGeneration),
    parent_session_id: rotation?.parentSessionId ?? null,
    parent_through_turn_id: rotation?.parentThroughTurnId ?? "",
    principal: begun.principal,
    note: begun.note,
    create_time: iso(begun.createMs),
    queued_turns: rotation?.queuedTurns ?? "carry",
    pending_replies: rotation?.pendingReplies ?? "deliver",
    perhaps_sent_count: rotation?.perhapsSentCount ?? 0,
  };
}
