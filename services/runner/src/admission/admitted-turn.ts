import type { NewTurn } from "../store/admission/new-turn.ts";
import { NO_TURN, type StoredTurn } from "../store/turn-row.ts";

/** What a turn's row has besides what it was submitted with. */
export type AdmittedRow = Pick<
  StoredTurn,
  "state" | "disposition" | "laneSeq" | "acceptTime" | "seed" | "input" | "replica" | "runId"
>;

/** The turn that was just admitted, as its row stands, without reading it again. */
export function storedTurn(turn: NewTurn, row: AdmittedRow): StoredTurn {
  return {
    ...NO_TURN,
    tenant: turn.tenant,
    turnId: turn.turnId,
    agentId: turn.agentId,
    sessionKey: turn.session?.sessionKey,
    state: row.state,
    turnClass: turn.turnClass,
    disposition: row.disposition,
    onConflict: turn.onConflict,
    laneSeq: row.laneSeq,
    principal: turn.principal,
    requestId: turn.requestId,
    idempotencyKey: turn.idempotencyKey,
    traceId: turn.traceId,
    traceparent: turn.traceparent,
    origin: turn.origin,
    routeId: turn.routeId,
    admittedSessionId: turn.session?.sessionId ?? "",
    admittedGeneration: turn.session?.generation ?? 0n,
    requiredGeneration: turn.requiredGeneration,
    acceptTime: row.acceptTime,
    seed: row.seed,
    input: row.input,
    parameters: JSON.parse(turn.parameters) as { readonly [name: string]: unknown },
    parentTurnId: turn.parentTurnId,
    rootTurnId: turn.rootTurnId,
    callChain: turn.callChain,
    runId: row.runId,
    replica: row.replica,
  };
}
