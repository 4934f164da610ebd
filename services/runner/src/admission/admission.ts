import { BatcherOverloadedError, isUniqueViolation } from "@lanekeeper/postgres";
import { Disposition, OnConflict } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { LanekeeperError } from "@lanekeeper/rpc";
import { needsSession, newInput } from "../domain/new-input.ts";
import { LIMITS } from "../limits.ts";
import { holdsTurn, insertChildTurn, tellChildTurn } from "../store/nested/child-turns.ts";
import { noteMintedKey } from "../store/nested/minted-keys.ts";
import { findRequest, joinCutOff } from "../store/admission/find-request.ts";
import { dropOldest } from "../store/admission/drop-oldest.ts";
import { groupsAhead } from "../store/admission/groups-ahead.ts";
import { type Admitted, insertLaneTurn } from "../store/admission/insert-lane-turn.ts";
import { insertStatelessTurn } from "../store/admission/insert-stateless-turn.ts";
import { type LaneRow, lockOrCreateLane } from "../store/lanes/lane-row.ts";
import type {
  Admission,
  LaneAdmission,
  NewLaneTurn,
  NewTurn,
} from "../store/admission/new-turn.ts";
import { readKnownSession } from "../store/admission/read-known-session.ts";
import { requestStop, stopWaitingFront } from "../store/runs/request-stop.ts";
import { stopGroups } from "../store/runs/stop-groups.ts";
import type { Sql } from "../store/sql.ts";
import type { Stop, StoredTurn } from "../store/turn-row.ts";
import { storedTurn } from "./admitted-turn.ts";
import type { RunnerDeps } from "../deps.ts";
import { askedAnew, cutOffTurn, joined, joinedToTeller } from "./join-request.ts";
import { joinTurn } from "./join-turn.ts";
import { spendOnNested } from "../nested/nested-budget.ts";
import { refuseIfUnsent } from "../outbox/outbox-backlog.ts";
import { RunAborted } from "../runs/run-abort.ts";
import { laneChanges, refuseIfFull } from "./refuse-if-full.ts";
import type { AdmissionResult, AdmissionOptions } from "./admission-result.ts";

type Said = Pick<Admission, "seed" | "input">;

/** A lane may change between the refusal and the look at why; it does not do so for ever. */
const ATTEMPTS = 5;

/**
 * Accepts a turn, or joins the one that the same request was accepted as. The answer is given after
 * the commit. A refusal stores nothing.
 * @throws IDEMPOTENCY_MISMATCH, SESSION_BUSY, QUEUE_FULL, WOULD_DEADLOCK, HOP_LIMIT, and the refusal that is
 * given.
 */
export async function admit(
  deps: RunnerDeps,
  turn: NewTurn,
  options: AdmissionOptions,
): Promise<AdmissionResult> {
  const cutOff = await cutOffTurn(deps, turn);
  if (cutOff !== undefined) {
    const { hasCaller } = options;
    await joinCutOff(deps.db, { ...turn, turnId: cutOff.turnId, hasCaller });
    return joined(deps, turn, cutOff);
  }
  if (options.refusal !== undefined) {
    const known = await findRequest(deps.db, turn.tenant, turn.principal, turn.idempotencyKey);
    if (known === undefined) {
      await askedAnew(deps, turn, options.refusal);
      throw options.refusal;
    }
    return joined(deps, turn, known);
  }
  for (let attempt = 1; ; attempt++) {
    const result = await admitOnce(deps, turn, options).catch((error: unknown) => {
      if (isUniqueViolation(error, "idempotency_pkey")) return undefined;
      if (error instanceof ToldBefore) return joinedToTeller(deps, turn);
      throw error;
    });
    if (result !== undefined) return result;
    const known = await findRequest(deps.db, turn.tenant, turn.principal, turn.idempotencyKey);
    if (known !== undefined) return joined(deps, turn, known);
    if (isOfLane(turn)) await refuseIfNoRoom(deps, turn, options, attempt);
    else if (attempt >= ATTEMPTS) throw new Error("a request's row comes and goes");
  }
}

/** @throws QUEUE_FULL, SESSION_BUSY */
async function refuseIfNoRoom(
  deps: RunnerDeps,
  turn: NewLaneTurn,
  options: AdmissionOptions,
  attempt: number,
): Promise<void> {
  try {
    await refuseIfUnsent(deps, turn);
    await refuseIfFull(deps, turn, options);
    if (attempt >= ATTEMPTS) throw await laneChanges(deps, turn, attempt);
  } catch (refusal) {
    await askedAnew(deps, turn, refusal);
    throw refusal;
  }
}

async function admitOnce(
  deps: RunnerDeps,
  turn: NewTurn,
  options: AdmissionOptions,
): Promise<AdmissionResult | undefined> {
  if (!isOfLane(turn)) return admitStateless(deps, turn);
  const isPlain = turn.nested === undefined && turn.childTurnId === undefined;
  // One of a group is looked at, since it may wait for its own where it else may not.
  const isRejected = turn.onConflict === OnConflict.REJECT && turn.origin.groupId === "";
  const onlyWaits = turn.onConflict === OnConflict.ENQUEUE || isRejected;
  // What is plain is admitted with others of its lane: in one statement, or, where what the session was told
  // before is to be looked up, in one transaction.
  if (isPlain && onlyWaits) {
    const said = { seed: [], input: turn.messages };
    const group = needsSession(turn.messages) ? deps.resent : deps.steps;
    const write = (one: LaneAdmission) => group.admit(one).catch(refuseOverload);
    const inserted = await insert(deps, write, turn, options, said);
    if (inserted !== undefined || !mayDrop(turn)) return inserted;
  }
  return deps.db
    .transaction((sql) => admitLooking(deps, sql, turn, options))
    .catch((error: unknown) => {
      if (error instanceof Refused) return undefined;
      throw error;
    });
}

function mayDrop({ dropsOldest, onConflict }: NewTurn): boolean {
  return dropsOldest === true && onConflict !== OnConflict.REJECT;
}

/** Undoes the transaction of a turn that was refused. */
class Refused extends Error {}

/** Decides under the lane's lock what is new and what to do about the turn that runs. */
async function admitLooking(
  deps: RunnerDeps,
  sql: Sql,
  asked: NewLaneTurn,
  options: AdmissionOptions,
): Promise<AdmissionResult> {
  const { tenant, session } = asked;
  const lane = await lockOrCreateLane(sql, tenant, session.sessionKey);
  const turn = await behindItsGroup(sql, asked, lane);
  await refuseLostParent(sql, turn);
  const said = needsSession(turn.messages)
    ? newInput(turn.messages, await readKnownSession(sql, tenant, session, LIMITS.rememberedTurns))
    : { seed: [], input: turn.messages };
  const host = await joinTurn(deps, sql, turn, lane, said.input);
  if (host !== undefined) {
    await spendOnNested(sql, turn);
    await recordFamily(sql, host.turn, turn);
    return host;
  }
  const stop = stopAskedBy(turn.onConflict);
  const stopped = stop === undefined ? undefined : await stopOthers(sql, turn, lane, stop);
  const isFull = lane.depth >= options.maxWaiting && turn.childTurnId === undefined;
  const droppedTurnId = isFull && mayDrop(turn) ? await dropOldest(sql, turn) : undefined;
  const result = await insert(deps, (one) => insertLaneTurn(sql, one), turn, options, said);
  if (result === undefined) throw new Refused();
  await spendOnNested(sql, turn);
  await recordFamily(sql, result.turn, turn);
  return stopped === undefined || stop === undefined
    ? { ...result, droppedTurnId }
    : { ...result, droppedTurnId, stopped: { runId: stopped.runId, stop } };
}

/**
 * What interrupts does not interrupt its own group, which is to be answered together: neither one that runs nor
 * one that waits for what it has interrupted. Nor is it refused because of its own.
 */
async function behindItsGroup(
  sql: Sql,
  turn: NewLaneTurn,
  { activeTurnId }: LaneRow,
): Promise<NewLaneTurn> {
  const { groupId } = turn.origin;
  const { tenant, onConflict, session } = turn;
  const isApart = onConflict === OnConflict.REJECT || stopAskedBy(onConflict) !== undefined;
  if (groupId === "" || !isApart) return turn;
  const { sessionKey } = session;
  const groups = await groupsAhead(sql, { tenant, sessionKey, activeTurnId });
  return groups.has(groupId) ? { ...turn, onConflict: OnConflict.ENQUEUE } : turn;
}

/** What runs, and what would run before the turn since it interrupted before. */
async function stopOthers(
  sql: Sql,
  { tenant, session: { sessionKey } }: NewLaneTurn,
  { activeTurnId }: LaneRow,
  stop: Stop,
): Promise<{ readonly runId: string } | undefined> {
  const note = "a later turn interrupted it";
  await stopGroups(sql, { tenant, sessionKey, activeTurnId }, stop, note);
  await stopWaitingFront(sql, { tenant, sessionKey }, stop, note);
  if (activeTurnId === undefined) return undefined;
  return requestStop(sql, tenant, activeTurnId, stop, note);
}

/** A send of a run that was taken over leaves no mark; its successor makes it, if it comes to it. */
async function refuseLostParent(sql: Sql, turn: NewLaneTurn): Promise<void> {
  const { tenant, nested, parentTurnId } = turn;
  if (nested === undefined || parentTurnId === undefined) return;
  const parent = { tenant, turnId: parentTurnId, runId: nested.parentRunId };
  if (!(await holdsTurn(sql, parent))) throw new RunAborted({ kind: "lost" });
}

/** Who is to hear of the turn's outcome; or whose outcome it tells, if nobody did before. */
async function recordFamily(
  sql: Sql,
  { tenant, turnId }: StoredTurn,
  { nested, childTurnId, session: { sessionKey } }: NewLaneTurn,
): Promise<void> {
  if (nested?.isMinted === true) {
    await noteMintedKey(sql, { tenant, sessionKey }, LIMITS.mintedLookMs);
  }
  if (nested?.tells !== undefined) {
    await insertChildTurn(sql, { ...nested.tells, tenant, childTurnId: turnId });
  }
  if (childTurnId === undefined) return;
  if (!(await tellChildTurn(sql, tenant, childTurnId, turnId))) throw new ToldBefore(childTurnId);
}

/** Undoes the transaction of a turn that would tell of an outcome a second time. */
class ToldBefore extends Error {}

function stopAskedBy(onConflict: number): Stop | undefined {
  if (onConflict === OnConflict.INTERRUPT) return "interrupted";
  return onConflict === OnConflict.ROLLBACK ? "rolled_back" : undefined;
}

/** @throws RATE_LIMITED: as many turns as may wait to be stored. */
function refuseOverload(error: unknown): never {
  if (!(error instanceof BatcherOverloadedError)) throw error;
  const metadata = { limit: String(error.maxWaiting) };
  throw new LanekeeperError("RATE_LIMITED", error.message, { metadata, retryAfterMs: 1_000 });
}

async function insert(
  deps: RunnerDeps,
  /** Tells what of the request was new, where that is found out with the writing. */
  write: (turn: LaneAdmission) => Promise<(Admitted & { readonly said?: Said }) | undefined>,
  turn: NewLaneTurn,
  options: AdmissionOptions,
  said: Said,
): Promise<AdmissionResult | undefined> {
  const runId = options.claimRunId;
  const replica = options.hasCaller || runId !== undefined ? deps.replica : "";
  const admission = {
    seed: said.seed,
    input: said.input,
    claimRunId: runId,
    replica,
    front: stopAskedBy(turn.onConflict) !== undefined,
    mayWait: turn.onConflict !== OnConflict.REJECT,
    maxWaiting: options.maxWaiting,
  };
  const admitted = await write({ turn, admission });
  return admitted && accepted(turn, admitted.said ?? said, admitted, replica, runId);
}

function accepted(
  turn: NewLaneTurn,
  said: Said,
  admitted: Admitted,
  replica: string,
  runId: string | undefined,
): AdmissionResult {
  const claimedRunId = admitted.isClaimed ? runId : undefined;
  const disposition = admitted.isClaimed ? Disposition.STARTED : Disposition.QUEUED;
  const { laneSeq, acceptTime, position } = admitted;
  const { seed, input } = said;
  const state = "QUEUED";
  const runAs = { replica, runId: claimedRunId };
  const row = { seed, input, laneSeq, acceptTime, disposition, state, ...runAs } as const;
  return { turn: storedTurn(turn, row), disposition, position, claimedRunId, stopped: undefined };
}

async function admitStateless(
  deps: RunnerDeps,
  turn: NewTurn,
): Promise<AdmissionResult | undefined> {
  const runId = deps.runIds.mint();
  const { replica } = deps;
  const admitted = await insertStatelessTurn(deps.db, turn, { runId, replica });
  if (admitted === undefined) return undefined;
  const disposition = Disposition.STATELESS;
  const row = {
    seed: [],
    input: turn.messages,
    laneSeq: 0n,
    acceptTime: admitted.acceptTime,
    replica,
    disposition,
    runId,
    state: "ACTIVE" as const,
  };
  const stored = storedTurn(turn, row);
  return { turn: stored, disposition, position: 0, claimedRunId: runId, stopped: undefined };
}

function isOfLane(turn: NewTurn): turn is NewLaneTurn {
  return turn.session !== undefined;
}
