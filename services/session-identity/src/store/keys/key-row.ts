import type { CanonicalKey } from "@lanekeeper/session-key";
import {
  type Absorbed,
  type ActiveRun,
  type KeyState,
  NONE_ABSORBED,
  type PastRun,
  type Standing,
  type TurnClass,
} from "../../domain/key-state.ts";
import { big, iso, type Moment, ms, optional, type Whole } from "../batch/values.ts";

/**
 * A row of session_keys, as the driver gives it (bigint, Date) or as JSON has it (text): the same
 * shape is what is written, and what the feed keeps of a change.
 */
export interface KeyRow {
  readonly tenant: string;
  readonly session_key: string;
  readonly agent_id: string;
  readonly revision: Whole;
  readonly internal: boolean;
  readonly alias_of: string | null;
  readonly moved_to: string | null;
  /** Null: none. Not there in changes that an earlier release wrote. */
  readonly absorbed?: readonly Absorbed[] | null;
  readonly rule_set_version: number;
  readonly source: string;
  readonly bind_time: Moment;
  /** Null: it stays for ever. Not there in changes that an earlier release wrote. */
  readonly kept_until?: Moment | null;
  /** Not there in changes that an earlier release wrote. */
  readonly erasure_id?: string | null;
  readonly session_id: string | null;
  readonly generation: Whole | null;
  readonly run_epoch: Whole;
  readonly parent_session_id: string | null;
  readonly oldest_runnable_generation: Whole;
  readonly oldest_deliverable_generation: Whole;
  readonly create_time: Moment | null;
  readonly rotate_time: Moment | null;
  readonly person_time: Moment | null;
  readonly used: boolean;
  readonly active_run_id: string | null;
  readonly active_turn_id: string | null;
  readonly active_turn_class: string | null;
  readonly active_begin_generation: Whole | null;
  readonly active_last_event_seq: Whole | null;
  readonly active_lease_ms: number | null;
  readonly active_lease_expire_time: Moment | null;
  readonly active_start_time: Moment | null;
  readonly active_heartbeat_time: Moment | null;
  readonly active_model: string | null;
  readonly last_run: PastRunJson | null;
}

type PastRunJson = Omit<PastRun, "epoch"> & { readonly epoch: string };

export function stateOf(row: KeyRow): KeyState {
  return {
    tenant: row.tenant,
    sessionKey: row.session_key as CanonicalKey,
    agentId: row.agent_id,
    revision: big(row.revision),
    internal: row.internal,
    aliasOf: optional(row.alias_of as CanonicalKey | null),
    movedTo: optional(row.moved_to as CanonicalKey | null),
    absorbed: row.absorbed ?? NONE_ABSORBED,
    ruleSetVersion: row.rule_set_version,
    source: row.source,
    bindMs: ms(row.bind_time),
    keptUntilMs: row.kept_until ? ms(row.kept_until) : undefined,
    erasureId: row.erasure_id ?? undefined,
    session: row.session_id === null ? undefined : standingOf(row, row.session_id),
  };
}

function standingOf(row: KeyRow, sessionId: string): Standing {
  return {
    sessionId,
    generation: big(row.generation),
    parentSessionId: optional(row.parent_session_id),
    runEpoch: big(row.run_epoch),
    activeRun: row.active_run_id === null ? undefined : activeRunOf(row, row.active_run_id),
    lastRun:
      row.last_run === null ? undefined : { ...row.last_run, epoch: BigInt(row.last_run.epoch) },
    oldestRunnable: big(row.oldest_runnable_generation),
    oldestDeliverable: big(row.oldest_deliverable_generation),
    createMs: ms(row.create_time),
    rotateMs: ms(row.rotate_time),
    personMs: row.person_time === null ? undefined : ms(row.person_time),
    used: row.used,
  };
}

/** A check of the table holds that all of these are there or none. */
function activeRunOf(row: KeyRow, runId: string): ActiveRun {
  return {
    runId,
    turnId: row.active_turn_id ?? "",
    turnClass: row.active_turn_class as TurnClass,
    epoch: big(row.run_epoch),
    beginGeneration: big(row.active_begin_generation),
    lastEventSeq: big(row.active_last_event_seq),
    leaseMs: row.active_lease_ms ?? 0,
    leaseExpireMs: ms(row.active_lease_expire_time),
    startMs: ms(row.active_start_time),
    heartbeatMs: ms(row.active_heartbeat_time),
    model: row.active_model ?? "",
  };
}

/**
 * What is written; int64 and times as text, so that JSON keeps them whole. One object, since what is put together
 * from several takes V8 longer than all else that is done to a row.
 */
export function rowOf(state: KeyState): KeyRow {
  const { session } = state;
  const run = session?.activeRun;
  return {
    tenant: state.tenant,
    session_key: state.sessionKey,
    agent_id: state.agentId,
    revision: String(state.revision),
    internal: state.internal,
    alias_of: state.aliasOf ?? null,
    moved_to: state.movedTo ?? null,
    absorbed: state.absorbed.length === 0 ? null : state.absorbed,
    rule_set_version: state.ruleSetVersion,
    source: state.source,
    bind_time: iso(state.bindMs),
    kept_until: state.keptUntilMs === undefined ? null : iso(state.keptUntilMs),
    erasure_id: state.erasureId ?? null,
    session_id: session?.sessionId ?? null,
    generation: session === undefined ? null : String(session.generation),
    run_epoch: String(session?.runEpoch ?? 0n),
    parent_session_id: session?.parentSessionId ?? null,
    oldest_runnable_generation: String(session?.oldestRunnable ?? 0n),
    oldest_deliverable_generation: String(session?.oldestDeliverable ?? 0n),
    create_time: session === undefined ? null : iso(session.createMs),
    rotate_time: session === undefined ? null : iso(session.rotateMs),
    person_time: session?.personMs === undefined ? null : iso(session.personMs),
    used: session?.used ?? false,
    last_run: session?.lastRun === undefined ? null : pastRunJson(session.lastRun),
    active_run_id: run?.runId ?? null,
    active_turn_id: run?.turnId ?? null,
    active_turn_class: run?.turnClass ?? null,
    active_begin_generation: run === undefined ? null : String(run.beginGeneration),
    active_last_event_seq: run === undefined ? null : String(run.lastEventSeq),
    active_lease_ms: run?.leaseMs ?? null,
    active_lease_expire_time: run === undefined ? null : iso(run.leaseExpireMs),
    active_start_time: run === undefined ? null : iso(run.startMs),
    active_heartbeat_time: run === undefined ? null : iso(run.heartbeatMs),
    active_model: run?.model ?? null,
  };
}

function pastRunJson(run: PastRun): PastRunJson {
  return { ...run, epoch: String(run.epoch) };
}
