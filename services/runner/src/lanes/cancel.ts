import { notFound } from "@lanekeeper/rpc";
import { firstStreamSeq } from "../domain/stream-seq.ts";
import { cancelledText } from "../domain/stop-text.ts";
import { endWaiting } from "../store/runs/end-unanswered.ts";
import { openOfGroup } from "../store/lanes/open-of-group.ts";
import { readTurn } from "../store/attaching/read-turn.ts";
import { requestStop } from "../store/runs/request-stop.ts";
import type { Sql } from "../store/sql.ts";
import type { StoredTurn } from "../store/turn-row.ts";
import type { RunnerDeps } from "../deps.ts";
import type { LocalRuns } from "../runs/local-runs.ts";

/** A turn may be given back to its queue, or be led to another lane, under the look at it; not for ever. */
const ATTEMPTS = 3;

/** What the cancelling of a turn needs. */
export interface CancelParts {
  readonly deps: RunnerDeps;
  readonly runs: LocalRuns;
  /** A cancelled turn may have held its lane. */
  readonly onFreed: (tenant: string, sessionKey: string) => void;
}

/**
 * Ends a turn that waits at once; asks the run of an active one, wherever it is, to end it. Gives the
 * turn as it stands then: ended, about to, or, where it was handed to a turn that has read it, with that one.
 * @throws NOT_FOUND
 */
export async function cancelTurn(
  parts: CancelParts,
  tenant: string,
  turnId: string,
  note: string,
): Promise<StoredTurn> {
  const { db } = parts.deps;
  let turn = await known(db, tenant, turnId);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (turn.state === "QUEUED") await cancelWaiting(parts, turn, note);
    const stop = await requestStop(db, tenant, turnId, "cancelled", note);
    if (stop !== undefined)
      parts.runs.abort(stop.runId, { kind: "stopped", stop: "cancelled", note });
    turn = await known(db, tenant, turnId);
    if (turn.state !== "QUEUED" || turn.intoTurnId !== undefined) break;
  }
  return turn;
}

/**
 * The same with the rest of its group, which is ended first: what the turn has taken in would else be a turn of
 * its own again. @throws NOT_FOUND
 */
export async function cancelWithGroup(
  parts: CancelParts,
  tenant: string,
  turnId: string,
  note: string,
): Promise<StoredTurn> {
  const { db } = parts.deps;
  const { sessionKey, principal, origin } = await known(db, tenant, turnId);
  const { groupId } = origin;
  if (sessionKey !== undefined && groupId !== "") {
    const group = { tenant, sessionKey, principal, turnId, groupId };
    for (const one of await openOfGroup(db, group)) await cancelTurn(parts, tenant, one, note);
  }
  return cancelTurn(parts, tenant, turnId, note);
}

async function known(sql: Sql, tenant: string, turnId: string): Promise<StoredTurn> {
  const turn = await readTurn(sql, tenant, turnId);
  if (turn === undefined) throw notFound("turn", turnId);
  return turn;
}

async function cancelWaiting(
  { deps, onFreed }: CancelParts,
  turn: StoredTurn,
  note: string,
): Promise<void> {
  const { tenant, turnId, sessionKey } = turn;
  if (sessionKey === undefined) return;
  const ended = await endWaiting(deps.db, {
    tenant,
    sessionKey,
    turnId,
    state: "CANCELLED",
    errorReason: "TURN_CANCELLED",
    errorMessage: cancelledText(note),
    endedStreamSeq: firstStreamSeq(1),
  });
  if (!ended) return;
  deps.metrics.ended("CANCELLED", "TURN_CANCELLED");
  onFreed(tenant, sessionKey);
}
