import { create } from "@bufbuild/protobuf";
import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { type Origin, OriginSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { stateOf, type TurnStateName } from "../domain/turn-state.ts";
import { messageOf, messagesOf, originOf } from "./codec.ts";

/** Why an active turn is to end. */
export type Stop = "cancelled" | "interrupted" | "rolled_back";

export const STOP_CODES: Readonly<Record<Stop, number>> = {
  cancelled: 1,
  interrupted: 2,
  rolled_back: 3,
};

/** A turn as it is stored. */
export interface StoredTurn {
  readonly tenant: string;
  readonly turnId: string;
  readonly agentId: string;
  /** Undefined for a stateless turn. */
  readonly sessionKey: string | undefined;
  readonly state: TurnStateName;
  readonly turnClass: number;
  readonly disposition: number;
  readonly onConflict: number;
  readonly laneSeq: bigint;
  readonly front: boolean;
  readonly principal: string;
  readonly requestId: string;
  readonly idempotencyKey: string;
  readonly traceId: string;
  readonly traceparent: string;
  readonly origin: Origin;
  readonly routeId: string;
  readonly admittedSessionId: string;
  readonly admittedGeneration: bigint;
  /** 0n: any. */
  readonly requiredGeneration: bigint;
  readonly acceptTime: Date;
  readonly seed: readonly Message[];
  readonly input: readonly Message[];
  readonly parameters: { readonly [name: string]: unknown };
  readonly parentTurnId: string | undefined;
  /** The turn of a request from outside that it comes of; undefined: it is such a request's itself. */
  readonly rootTurnId: string | undefined;
  readonly callChain: readonly string[];
  readonly runId: string | undefined;
  readonly replica: string;
  readonly runCount: number;
  /** Of those, given back because their replica was shut down. */
  readonly sparedRuns: number;
  /** A run's ending is stored and on its way to session-identity. */
  readonly preparedRunId: string | undefined;
  readonly stop: Stop | undefined;
  readonly stopNote: string;
  readonly sessionId: string | undefined;
  readonly generation: bigint | undefined;
  readonly endTime: Date | undefined;
  readonly errorReason: string;
  readonly errorMessage: string;
  readonly intoTurnId: string | undefined;
  readonly isSteered: boolean;
  readonly reply: Message | undefined;
  readonly inputTokens: bigint;
  readonly outputTokens: bigint;
  readonly finishReason: string;
  readonly model: string;
  readonly endedStreamSeq: bigint | undefined;
}

/** A turn that has a session: it waits in a lane, or is its active one. */
export type LaneTurn = StoredTurn & { readonly sessionKey: string };

/** The columns that `turnOf` reads. */
export const TURN_COLUMNS = `
  t.tenant, t.turn_id, t.agent_id, t.session_key, t.state, t.turn_class, t.disposition, t.on_conflict,
  t.lane_seq, t.front, t.principal, t.request_id, t.idempotency_key, t.trace_id, t.traceparent,
  t.origin, t.route_id, t.admitted_session_id, t.admitted_generation, t.required_generation,
  t.accept_time, t.seed, t.input, t.parameters, t.parent_turn_id, t.root_turn_id, t.call_chain, t.run_id,
  t.replica,
  t.run_count, t.spared_runs, t.prepared_run_id, t.stop, t.stop_note, t.steer, t.session_id, t.generation,
  t.end_time, t.error_reason, t.error_message, t.into_turn_id, t.reply, t.input_tokens,
  t.output_tokens, t.finish_reason, t.model, t.ended_stream_seq`;

export interface TurnRow {
  readonly tenant: string;
  readonly turn_id: string;
  readonly agent_id: string;
  readonly session_key: string | null;
  readonly state: number;
  readonly turn_class: number;
  readonly disposition: number;
  readonly on_conflict: number;
  readonly lane_seq: bigint;
  readonly front: boolean;
  readonly principal: string;
  readonly request_id: string;
  readonly idempotency_key: string;
  readonly trace_id: string;
  readonly traceparent: string;
  readonly origin: Buffer;
  readonly route_id: string;
  readonly admitted_session_id: string;
  readonly admitted_generation: bigint;
  readonly required_generation: bigint;
  readonly accept_time: Date;
  readonly seed: Buffer[];
  readonly input: Buffer[];
  readonly parameters: string;
  readonly parent_turn_id: string | null;
  readonly root_turn_id: string | null;
  readonly call_chain: string[];
  readonly run_id: string | null;
  readonly replica: string;
  readonly run_count: number;
  readonly spared_runs: number;
  readonly prepared_run_id: string | null;
  readonly stop: number | null;
  readonly stop_note: string | null;
  readonly steer: number | null;
  readonly session_id: string | null;
  readonly generation: bigint | null;
  readonly end_time: Date | null;
  readonly error_reason: string;
  readonly error_message: string;
  readonly into_turn_id: string | null;
  readonly reply: Buffer | null;
  readonly input_tokens: bigint;
  readonly output_tokens: bigint;
  readonly finish_reason: string;
  readonly model: string;
  readonly ended_stream_seq: bigint | null;
}

/**
 * A turn of which nothing is known. All turns are copies of it, so that they have their fields in one order:
 * V8 reads and copies objects of one shape several times as fast as such that were put together in pieces.
 * https://v8.dev/blog/fast-properties
 */
export const NO_TURN: StoredTurn = {
  tenant: "",
  turnId: "",
  agentId: "",
  sessionKey: undefined,
  state: "QUEUED",
  turnClass: 0,
  disposition: 0,
  onConflict: 0,
  laneSeq: 0n,
  front: false,
  principal: "",
  requestId: "",
  idempotencyKey: "",
  traceId: "",
  traceparent: "",
  origin: create(OriginSchema),
  routeId: "",
  admittedSessionId: "",
  admittedGeneration: 0n,
  requiredGeneration: 0n,
  acceptTime: new Date(0),
  seed: [],
  input: [],
  parameters: {},
  parentTurnId: undefined,
  rootTurnId: undefined,
  callChain: [],
  runId: undefined,
  replica: "",
  runCount: 0,
  sparedRuns: 0,
  preparedRunId: undefined,
  stop: undefined,
  stopNote: "",
  sessionId: undefined,
  generation: undefined,
  endTime: undefined,
  errorReason: "",
  errorMessage: "",
  intoTurnId: undefined,
  isSteered: false,
  reply: undefined,
  inputTokens: 0n,
  outputTokens: 0n,
  finishReason: "",
  model: "",
  endedStreamSeq: undefined,
};

/** Of a turn that has a session. */
export function isOfLane(turn: StoredTurn): turn is LaneTurn {
  return turn.sessionKey !== undefined;
}

export function turnOf(row: TurnRow): StoredTurn {
  return {
    ...NO_TURN,
    tenant: row.tenant,
    turnId: row.turn_id,
    agentId: row.agent_id,
    sessionKey: row.session_key ?? undefined,
    state: stateOf(row.state),
    turnClass: row.turn_class,
    disposition: row.disposition,
    onConflict: row.on_conflict,
    laneSeq: row.lane_seq,
    front: row.front,
    principal: row.principal,
    requestId: row.request_id,
    idempotencyKey: row.idempotency_key,
    traceId: row.trace_id,
    traceparent: row.traceparent,
    origin: originOf(row.origin),
    routeId: row.route_id,
    admittedSessionId: row.admitted_session_id,
    admittedGeneration: row.admitted_generation,
    requiredGeneration: row.required_generation,
    acceptTime: row.accept_time,
    seed: messagesOf(row.seed),
    input: messagesOf(row.input),
    parameters: JSON.parse(row.parameters) as { readonly [name: string]: unknown },
    parentTurnId: row.parent_turn_id ?? undefined,
    rootTurnId: row.root_turn_id ?? undefined,
    callChain: row.call_chain,
    runId: row.run_id ?? undefined,
    replica: row.replica,
    runCount: row.run_count,
    sparedRuns: row.spared_runs,
    preparedRunId: row.prepared_run_id ?? undefined,
    stop: stopOf(row.stop),
    stopNote: row.stop_note ?? "",
    isSteered: row.steer !== null,
    sessionId: row.session_id ?? undefined,
    generation: row.generation ?? undefined,
    endTime: row.end_time ?? undefined,
    errorReason: row.error_reason,
    errorMessage: row.error_message,
    intoTurnId: row.into_turn_id ?? undefined,
    reply: row.reply === null ? undefined : messageOf(row.reply),
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    finishReason: row.finish_reason,
    model: row.model,
    endedStreamSeq: row.ended_stream_seq ?? undefined,
  };
}

/** A row of a lane. */
export function laneTurnOf(row: TurnRow): LaneTurn {
  const turn = turnOf(row);
  if (!isOfLane(turn)) throw new Error(`turn ${turn.turnId} has no session`);
  return turn;
}

export function stopOf(code: number | null): Stop | undefined {
  const names = Object.keys(STOP_CODES) as Stop[];
  return names.find((name) => STOP_CODES[name] === code);
}
