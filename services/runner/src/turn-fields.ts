import type { CallOptions, TracedWork } from "@lanekeeper/rpc";
import { inTrace, type Log, type TurnFields, turnLog, withSpan } from "@lanekeeper/service";
import { nameOf } from "./domain/disposition-name.ts";
import type { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { RunnerDeps } from "./deps.ts";
import type { StoredTurn } from "./store/turn-row.ts";

/** What a log line about a turn tells. */
export type Described = Pick<
  StoredTurn,
  | "tenant"
  | "principal"
  | "origin"
  | "sessionKey"
  | "sessionId"
  | "generation"
  | "admittedSessionId"
  | "admittedGeneration"
  | "turnId"
  | "requestId"
  | "traceparent"
  | "disposition"
>;

/** A logger whose lines carry the fields by which a turn is found in all services. */
export function logOf(log: Log, turn: Described, more: Pick<TurnFields, "run_id"> = {}): Log {
  const { peer } = turn.origin;
  return turnLog(log, {
    tenant: turn.tenant,
    principal: turn.principal,
    channel: peer?.channel ?? turn.origin.source,
    account: peer?.accountId,
    raw_key: turn.origin.rawKey,
    session_key: turn.sessionKey,
    session_id: turn.sessionId ?? turn.admittedSessionId,
    generation: turn.generation ?? turn.admittedGeneration,
    turn_id: turn.turnId,
    request_id: turn.requestId,
    traceparent: turn.traceparent,
    run_id: more.run_id,
    disposition: nameOf(turn.disposition as Disposition),
  });
}

/**
 * How a call to another service is made on behalf of a turn: as the runner itself, for its tenant, and
 * within the turn's trace.
 */
export function callFor(
  turn: Pick<StoredTurn, "tenant" | "principal" | "requestId" | "traceparent">,
  timeoutMs?: number,
): CallOptions {
  const { tenant, principal, requestId } = turn;
  return { tenant, principal, requestId, within: turn, timeoutMs };
}

/** The same parts, for work that is of one trace: each line that comes of it tells the trace. */
export function tracedParts<P extends { readonly deps: RunnerDeps }>(
  parts: P,
  { traceparent }: TracedWork,
): P {
  const { deps } = parts;
  return { ...parts, deps: { ...deps, log: inTrace(deps.log, traceparent) } };
}

/** Runs work of a turn in a span under the turn's own trace, also long after its caller's span has ended. */
export function inTurnSpan<T>(
  name: string,
  turn: Pick<StoredTurn, "turnId" | "traceparent">,
  runId: string,
  work: () => Promise<T>,
): Promise<T> {
  const attributes = { "lanekeeper.turn_id": turn.turnId, "lanekeeper.run_id": runId };
  const parent = turn.traceparent === "" ? undefined : turn.traceparent;
  return withSpan(name, attributes, work, { parent, kind: "consumer" });
}
