import { fromBinary } from "@bufbuild/protobuf";
import type { IdentityClient } from "@lanekeeper/client";
import { isUnavailable } from "@lanekeeper/postgres";
import { OutboundPartSchema } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { type Clock, inTrace, type Log, retry, turnLog, withSpan } from "@lanekeeper/service";
import { type AttemptEnding, endAttempt } from "../domain/attempt-ending.ts";
import { hasEnded } from "../domain/delivery-state.ts";
import type { SendOutcome } from "../domain/send-outcome.ts";
import type { Limits } from "../limits.ts";
import type { DeliveryMetrics } from "../metrics.ts";
import type { Claimed } from "../store/sending/claimed.ts";
import type { EndedAttempt, Finished } from "../store/sending/finish-attempt.ts";
import { notePiece } from "../store/sending/note-piece.ts";
import { type Doubt, readDoubt } from "../store/sending/read-doubt.ts";
import type { ReplySteps } from "../store/sending/reply-steps.ts";
import type { DeliveryDatabase } from "../store/sql.ts";
import { type Channel, NotSentError, type Reply, type SendNotes } from "./channel.ts";
import { expired, SendFence } from "./fence.ts";
import { elsewhere } from "./follow-move.ts";
import { settleInTime, tellOutcomes } from "./tell-outcomes.ts";

export interface SendDeps {
  readonly db: DeliveryDatabase;
  readonly steps: ReplySteps;
  readonly identity: Pick<IdentityClient, "writeLifecycle" | "checkFence" | "registerEquivalence">;
  /** By RouteKind. */
  readonly channels: ReadonlyMap<number, Channel>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: DeliveryMetrics;
  readonly limits: Limits;
  /** From 0 up to, but not, 1. */
  readonly random: () => number;
}

/** A claim as the pump hands it on. */
export interface Attempt {
  readonly claimed: Claimed;
  /** Monotonic, from before the claim was asked for. */
  readonly claimedAtMs: number;
  /** Cuts the attempt off. */
  readonly signal: AbortSignal;
  /** Whether the next of its route is to be sent here right after it. */
  readonly wantsNext: () => boolean;
  /** The route goes on: something is open there and may be claimed in so many ms. */
  readonly onNext: (inMs: number) => void;
}

/** The next of the route, claimed with the end of the one before it. */
export type NextClaim = Pick<Attempt, "claimed" | "claimedAtMs">;

/**
 * One attempt, from the claim to what became of it. Resolves whatever happens, to the next of the route
 * where that was claimed; an attempt that cannot write its outcome is found by its lease.
 */
export function runAttempt(base: SendDeps, attempt: Attempt): Promise<NextClaim | undefined> {
  const { claimed } = attempt;
  const deps = { ...base, log: inTrace(base.log, claimed.traceparent) };
  const attributes = {
    "lanekeeper.delivery_id": claimed.deliveryId,
    "lanekeeper.turn_id": claimed.turnId,
    "lanekeeper.attempt": claimed.attempt,
  };
  const run = async (): Promise<NextClaim | undefined> => {
    try {
      return await sendAndFinish(deps, attempt);
    } catch (err) {
      const what = "what became of an attempt could not be written; its lease will tell";
      attemptLog(deps.log, claimed).error({ err }, what);
      return undefined;
    }
  };
  const options = { parent: claimed.traceparent, kind: "producer" } as const;
  return withSpan("delivery.attempt", attributes, run, options);
}

async function sendAndFinish(
  deps: SendDeps,
  { claimed: found, claimedAtMs, signal, wantsNext, onNext }: Attempt,
): Promise<NextClaim | undefined> {
  const startedMs = deps.clock.monotonicMs();
  // Before the next claim, so that session-identity hears of the attempts in their order.
  const isBeforeTold = !found.hasUntold || (await tellOutcomes(deps, found));
  const doubt = found.lostAttempt ? await readDoubt(deps.db, found) : undefined;
  const claimed = { ...found, ...doubt };
  const fence = new SendFence(deps, claimed, claimedAtMs);
  let pieceCount = 0;
  const notes: SendNotes = {
    pieces: (count) => void (pieceCount = count),
    handle: (handle) => notePiece(deps.db, claimed, handle),
  };
  const outcome = await send(deps, { claimed, isBeforeTold, fence, signal, notes });
  const wasClaimed = claimed.wasClaimed || fence.wasAccepted;
  const { failureCount, unavailableCount, perhapsSent } = claimed;
  const claimedNow = fence.wasAccepted;
  const facts = { failureCount, unavailableCount, wasClaimed, claimedNow, perhapsSent };
  const ending = endAttempt(outcome, facts, { random: deps.random(), ...deps.limits });
  const bounded = { ...ending, error: told(ending.error).slice(0, deps.limits.errorChars) };
  const untold = (await isTold(deps, claimed, bounded, claimedAtMs)) ? undefined : bounded.report;
  const ended = { claimed, ending: bounded, wasClaimed, pieceCount, untold };
  const { finished, askedAtMs } = await finish(deps, ended, claimedAtMs, wantsNext);
  observe(deps, claimed, bounded, finished, deps.clock.monotonicMs() - startedMs);
  if (finished.held && untold !== undefined) await tellOutcomes(deps, claimed);
  if (finished.next !== undefined) return { claimed: finished.next, claimedAtMs: askedAtMs };
  if (finished.hasNext) onNext(ending.delayMs);
  return undefined;
}

/**
 * Tells session-identity before the outcome is written, which is then written as told: one write less.
 * Not what others may have told differently by now, nor past something that comes before it. What cannot
 * be told is stored as such, and told later.
 */
async function isTold(
  deps: SendDeps,
  claimed: Claimed,
  { report, error, providerMessageId }: AttemptEnding,
  claimedAtMs: number,
): Promise<boolean> {
  if (report === undefined) return true;
  if (claimed.hasUntold || !isHeld(deps, claimedAtMs)) return false;
  return settleInTime(deps, {
    tenant: claimed.tenant,
    deliveryId: claimed.deliveryId,
    fenceId: claimed.fenceId,
    attempt: claimed.attempt,
    untold: report,
    error,
    providerMessageId,
    sessionKey: claimed.sessionKey,
    sessionId: claimed.sessionId,
    generation: claimed.generation,
    turnId: claimed.turnId,
    principal: claimed.principal,
    requestLabel: claimed.requestLabel,
    traceparent: claimed.traceparent,
  });
}

function isHeld({ clock, limits }: SendDeps, claimedAtMs: number): boolean {
  return clock.monotonicMs() - claimedAtMs < limits.leaseMs;
}

interface Sending {
  readonly claimed: Claimed & Partial<Doubt>;
  /** session-identity knows what became of the attempts before. */
  readonly isBeforeTold: boolean;
  readonly fence: SendFence;
  readonly signal: AbortSignal;
  readonly notes: SendNotes;
}

async function send(
  deps: SendDeps,
  { claimed, isBeforeTold, fence, signal, notes }: Sending,
): Promise<SendOutcome> {
  try {
    if (claimed.wasSent === true) {
      throw new NotSentError("already_sent", "the attempt that was lost had sent it");
    }
    // What was reset away meanwhile is no dead letter, and holds nobody up.
    if (claimed.expiresInMs <= 0) throw (await fence.staleness()) ?? expired();
    if (!isBeforeTold) {
      throw new NotSentError(
        "unavailable",
        "session-identity could not be told of an attempt before",
      );
    }
    const channel = deps.channels.get(claimed.kind);
    if (channel === undefined)
      throw new NotSentError("refused", `no channel of kind ${claimed.kind}`);
    const reply = replyOf(claimed);
    const outcome = await channel.send(reply, () => fence.show(), signal, notes);
    if (outcome.kind === "refused" || outcome.kind === "held") {
      return await elsewhere(deps, reply, outcome);
    }
    // A receiver that cannot be connected to would keep a reply that was reset away until its time is over.
    if (outcome.kind !== "failed" || fence.wasAccepted) return outcome;
    const stale = await fence.staleness();
    return stale === undefined
      ? outcome
      : { kind: "not_sent", why: stale.why, error: stale.message };
  } catch (error) {
    return outcomeOfThrown(() => attemptLog(deps.log, claimed), error, fence.wasAccepted);
  }
}

function outcomeOfThrown(log: () => Log, thrown: unknown, wasAccepted: boolean): SendOutcome {
  if (thrown instanceof NotSentError) {
    return { kind: "not_sent", why: thrown.why, error: thrown.message };
  }
  log().error({ err: thrown }, "a channel failed in a way that it does not foresee");
  const error = thrown instanceof Error ? thrown.message : String(thrown);
  return { kind: wasAccepted ? "unknown" : "failed", error };
}

/** Asks an unavailable database again for as long as the claim is held. */
function finish(
  deps: SendDeps,
  ended: Omit<EndedAttempt, "wantsNext">,
  claimedAtMs: number,
  wantsNext: () => boolean,
): Promise<{ readonly finished: Finished; readonly askedAtMs: number }> {
  const { steps, clock, limits } = deps;
  const ask = async () => {
    const askedAtMs = clock.monotonicMs();
    return { finished: await steps.finish({ wantsNext: wantsNext(), ...ended }), askedAtMs };
  };
  return retry(ask, {
    isRetryable: (error) => isUnavailable(error) && isHeld(deps, claimedAtMs),
    attempts: Number.POSITIVE_INFINITY,
    backoff: limits.fenceBackoff,
    clock,
  });
}

/** What another program said, on one line: what it holds beside text, no column of the database might take. */
function told(error: string): string {
  return error.replaceAll(/\p{Cc}+/gu, " ");
}

const GOES_ON: ReadonlySet<string> = new Set(["accepted", "paced", "moved"]);

function observe(
  { log: base, metrics, clock }: SendDeps,
  claimed: Claimed,
  { state, outcome, error, delayMs }: AttemptEnding,
  { held }: Finished,
  durationMs: number,
): void {
  metrics.attempt(outcome, durationMs / 1_000);
  const log = attemptLog(base, claimed);
  const fields = { outcome, state, ...(error === "" ? {} : { error }), duration_ms: durationMs };
  if (!held) return log.warn(fields, "the claim was lost before its outcome was written");
  if (GOES_ON.has(outcome)) return log.debug(fields, "the route goes on");
  if (!hasEnded(state)) {
    return log.warn({ ...fields, retry_in_ms: delayMs }, "delivery will be tried again");
  }
  metrics.ended(state, Math.max(0, clock.now().getTime() - claimed.createTime.getTime()) / 1_000);
  if (state === "SENT") log.info(fields, "delivered");
  else log.warn(fields, "delivery ended");
}

function attemptLog(log: Log, claimed: Claimed): Log {
  const child = turnLog(log, {
    tenant: claimed.tenant,
    principal: claimed.principal,
    session_key: claimed.sessionKey,
    session_id: claimed.sessionId,
    generation: claimed.generation,
    turn_id: claimed.turnId,
    request_id: claimed.requestLabel,
  });
  const { deliveryId, routeId, attempt } = claimed;
  return child.child({ delivery_id: deliveryId, route_id: routeId, attempt });
}

function replyOf(claimed: Claimed): Reply & Pick<Claimed, "routeId"> {
  const parts = claimed.parts.map((bytes) => fromBinary(OutboundPartSchema, bytes));
  return { ...claimed, parts };
}
