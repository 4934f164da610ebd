import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { hasReason, LanekeeperError, notFound } from "@lanekeeper/rpc";
import { readChildTurn } from "../store/nested/child-turns.ts";
import {
  findCutOff,
  findRequest,
  forgetCutOff,
  type KnownRequest,
  type Said,
} from "../store/admission/find-request.ts";
import type { NewTurn } from "../store/admission/new-turn.ts";
import { readTurn } from "../store/attaching/read-turn.ts";
import type { AdmissionResult } from "./admission-result.ts";
import type { RunnerDeps } from "../deps.ts";
import { turnErased } from "./turn-erased.ts";

/**
 * A retry without a key of the client's own joins the turn whose caller was cut off; made again by a door that
 * does not know whether it was accepted, the one that it joined.
 */
export async function cutOffTurn(
  { db }: RunnerDeps,
  turn: NewTurn,
): Promise<KnownRequest | undefined> {
  if (!turn.keyIsGenerated || turn.clientRetryCount === 0) return undefined;
  const { tenant, principal, idempotencyKey } = turn;
  const known = await findRequest(db, tenant, principal, idempotencyKey);
  return known ?? findCutOff(db, saidBy(turn), turn.firstTryAgeMs);
}

/**
 * Who asks anew and is refused is retried by its client: as that, and not as the turn whose caller was cut off
 * before. The refusal stands in any case.
 */
export async function askedAnew(
  { db }: RunnerDeps,
  turn: NewTurn,
  refusal: unknown,
): Promise<void> {
  if (!turn.keyIsGenerated || turn.clientRetryCount > 0) return;
  if (!hasReason(refusal, "QUEUE_FULL") && !hasReason(refusal, "SESSION_BUSY")) return;
  await forgetCutOff(db, saidBy(turn)).catch(() => undefined);
}

function saidBy({ tenant, principal, fingerprint, session }: NewTurn): Said {
  return { tenant, principal, fingerprint, sessionKey: session?.sessionKey };
}

/**
 * What a turn's tool sends is known by its turn and step: made again it says the same, though its key may have been
 * merged into another meanwhile.
 * @throws IDEMPOTENCY_MISMATCH: the request under that key was another. NOT_FOUND: its turn was erased with its
 * conversation, and nothing is run in its place.
 */
export async function joined(
  deps: RunnerDeps,
  turn: NewTurn,
  known: KnownRequest,
): Promise<AdmissionResult> {
  const found = await readTurn(deps.db, turn.tenant, known.turnId);
  const isSentAgain =
    turn.nested !== undefined && (found === undefined || found.parentTurnId === turn.parentTurnId);
  if (!isSentAgain && !Buffer.from(known.fingerprint).equals(turn.fingerprint)) {
    throw new LanekeeperError(
      "IDEMPOTENCY_MISMATCH",
      "the idempotency key was used with other content",
      { metadata: { other_turn_id: known.turnId } },
    );
  }
  if (found === undefined) throw turnErased(known.turnId);
  const disposition = Disposition.JOINED;
  const joined = { disposition, position: 0, claimedRunId: undefined, stopped: undefined };
  // Nobody else can have the key: a door repeats its submission, since the answer was lost, for its only caller.
  const isRepeat = turn.keyIsGenerated && turn.clientRetryCount === 0;
  return {
    turn: found,
    ...joined,
    ...(isRepeat ? { toldAs: found.disposition as Disposition } : {}),
  };
}

/** The turn that told of the outcome, or the one that has it as its tool's result. */
export async function joinedToTeller(
  { db }: RunnerDeps,
  { tenant, childTurnId = "" }: NewTurn,
): Promise<AdmissionResult> {
  const child = await readChildTurn(db, tenant, childTurnId);
  // Erased meanwhile, with the conversation that was to hear of it.
  if (child === undefined) throw notFound("turn", childTurnId);
  const turn = await readTurn(db, tenant, child.toldTurnId ?? child.parentTurnId);
  if (turn === undefined) throw notFound("turn", childTurnId);
  const disposition = Disposition.JOINED;
  return { turn, disposition, position: 0, claimedRunId: undefined, stopped: undefined };
}
