import {
  PendingReplies as ProtoPendingReplies,
  QueuedTurns as ProtoQueuedTurns,
  RotationReason as ProtoReason,
  RunOutcome as ProtoOutcome,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import {
  DmScope as ProtoDmScope,
  PeerKind as ProtoPeerKind,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import {
  ReplyState as ProtoReplyState,
  TurnClass as ProtoTurnClass,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { invalid } from "@lanekeeper/rpc";
import type { DmScope, PeerKind } from "@lanekeeper/session-key";
import type { RunOutcome, TurnClass } from "../../domain/key-state.ts";
import type {
  PendingReplies,
  QueuedTurns,
  RotationReason,
  SettledState,
} from "../../domain/records.ts";

/**
 * Each enum of the protos beside our words for it, once, for both directions. proto3 keeps numbers that
 * it does not know, so whatever is in no table is refused.
 */
export const OUTCOMES: ReadonlyMap<ProtoOutcome, RunOutcome> = new Map([
  [ProtoOutcome.COMPLETED, "completed"],
  [ProtoOutcome.FAILED, "failed"],
  [ProtoOutcome.INTERRUPTED, "interrupted"],
  [ProtoOutcome.CANCELLED, "cancelled"],
  [ProtoOutcome.REQUEUED, "requeued"],
]);

export const TURN_CLASSES: ReadonlyMap<ProtoTurnClass, TurnClass> = new Map([
  [ProtoTurnClass.PERSON, "person"],
  [ProtoTurnClass.SYSTEM, "system"],
]);

export const REASONS: ReadonlyMap<ProtoReason, RotationReason> = new Map([
  [ProtoReason.RESET, "reset"],
  [ProtoReason.COMPACTION, "compaction"],
  [ProtoReason.IDLE, "idle"],
  [ProtoReason.DAILY, "daily"],
  [ProtoReason.RESTORE, "restore"],
  [ProtoReason.FORK, "fork"],
  [ProtoReason.REPLAY, "replay"],
  [ProtoReason.MIGRATION, "migration"],
]);

export const QUEUED_TURNS: ReadonlyMap<ProtoQueuedTurns, QueuedTurns> = new Map([
  [ProtoQueuedTurns.CARRY, "carry"],
  [ProtoQueuedTurns.SKIP, "skip"],
]);

export const PENDING_REPLIES: ReadonlyMap<ProtoPendingReplies, PendingReplies> = new Map([
  [ProtoPendingReplies.DELIVER, "deliver"],
  [ProtoPendingReplies.SUPPRESS, "suppress"],
]);

export const SETTLED_STATES: ReadonlyMap<ProtoReplyState, SettledState> = new Map([
  [ProtoReplyState.SENT, "sent"],
  [ProtoReplyState.FAILED, "failed"],
  [ProtoReplyState.UNKNOWN, "unknown"],
  [ProtoReplyState.SUPPRESSED_STALE, "suppressed_stale"],
]);

export const PEER_KINDS: ReadonlyMap<ProtoPeerKind, PeerKind> = new Map([
  [ProtoPeerKind.DIRECT, "direct"],
  [ProtoPeerKind.GROUP, "group"],
  [ProtoPeerKind.CHANNEL, "channel"],
]);

export const DM_SCOPES: ReadonlyMap<ProtoDmScope, DmScope> = new Map([
  [ProtoDmScope.MAIN, "main"],
  [ProtoDmScope.PER_PEER, "per-peer"],
  [ProtoDmScope.PER_CHANNEL_PEER, "per-channel-peer"],
  [ProtoDmScope.PER_ACCOUNT_CHANNEL_PEER, "per-account-channel-peer"],
]);

/** Our word for a number. @throws INVALID_REQUEST for one that is unset or unknown */
export function word<Word>(field: string, table: ReadonlyMap<number, Word>, value: number): Word {
  const found = table.get(value);
  if (found !== undefined) return found;
  throw invalid(field, value === 0 ? "is required" : `${value} is no known value`);
}

/** Like `word`, with what 0 stands for. */
export function wordOr<Word>(
  field: string,
  table: ReadonlyMap<number, Word>,
  value: number,
  unset: Word,
): Word {
  return value === 0 ? unset : word(field, table, value);
}

/** The proto's number for our word. */
export function numberOf<Value extends number, Word>(
  table: ReadonlyMap<Value, Word>,
  wanted: Word,
): Value {
  for (const [value, known] of table) if (known === wanted) return value;
  throw new Error(`${String(wanted)} stands in no table`);
}
