import { ReplyState } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { type Backoff, retryDelayMs } from "./backoff.ts";
import type { DeliveryStateName } from "./delivery-state.ts";
import type { AttemptOutcome, SendOutcome } from "./send-outcome.ts";

/** What was known of a delivery when the attempt ended. */
export interface AttemptFacts {
  /** On the receiver's side, in a row, before this one; for the backoff. */
  readonly failureCount: number;
  /** Attempts in a row, before this one, that came to nothing on our side; for the backoff. */
  readonly unavailableCount: number;
  /** session-identity accepted a `sending` of it, in this attempt or an earlier one. */
  readonly wasClaimed: boolean;
  /** Likewise in this attempt. */
  readonly claimedNow: boolean;
  /** An earlier attempt may have arrived. */
  readonly perhapsSent: boolean;
}

/** What becomes of the delivery. */
export interface AttemptEnding {
  readonly state: DeliveryStateName;
  readonly outcome: AttemptOutcome;
  /** PENDING: until the next attempt. */
  readonly delayMs: number;
  readonly error: string;
  readonly providerMessageId: string;
  readonly perhapsSent: boolean;
  /** Of the receiver, in a row, with this one. */
  readonly failureCount: number;
  /** On our side, in a row, with this one. */
  readonly unavailableCount: number;
  /** The channel has taken the piece. */
  readonly hasAccepted: boolean;
  /** What session-identity is to be told; undefined: nothing that it does not know. */
  readonly report: ReplyState | undefined;
}

/**
 * Whether it ended as a dead letter: those behind it wait or are told of the gap. What was reset away
 * is none, since nobody waits for it.
 */
export function isDeadLetter({ state, outcome }: AttemptEnding): boolean {
  return state === "FAILED" || (state === "UNKNOWN" && outcome !== "stale");
}

/**
 * Dead letters of which the next reply of the route has to tell: it and those that it told of, if it is one;
 * those that it would have told of, if it was reset away before.
 */
export function missingAfter(ending: AttemptEnding, gapBefore: number): number {
  if (isDeadLetter(ending)) return gapBefore + 1;
  return ending.outcome === "stale" ? gapBefore : 0;
}

export interface RetryRules {
  readonly retryBackoff: Backoff;
  readonly fenceBackoff: Backoff;
  /** From 0 up to, but not, 1. */
  readonly random: number;
}

/**
 * Decides what an attempt's outcome means for its delivery. "Perhaps sent" is never guessed away: once
 * an attempt's outcome was unknown, only SENT can follow, or UNKNOWN.
 */
export function endAttempt(
  outcome: SendOutcome,
  facts: AttemptFacts,
  rules: RetryRules,
): AttemptEnding {
  switch (outcome.kind) {
    case "sent":
      return {
        ...ended("SENT", "sent", "", facts),
        hasAccepted: true,
        providerMessageId: outcome.providerMessageId,
      };
    case "accepted":
      return accepted(outcome.providerMessageId, facts);
    case "held":
      return ended("UNKNOWN", "held", outcome.error, facts);
    case "paced":
      return again("paced", "", facts, outcome.delayMs);
    case "moved":
      return again("moved", outcome.error, facts, 0);
    case "refused":
      return dead("refused", outcome.error, facts);
    case "failed":
      return again("failed", outcome.error, facts, delayOf(facts, rules, outcome.retryAfterMs));
    case "unknown":
      return again("unknown", outcome.error, facts, delayOf(facts, rules));
    case "not_sent":
      return notSent(outcome, facts, rules);
  }
}

function notSent(
  { why, error }: Extract<SendOutcome, { kind: "not_sent" }>,
  facts: AttemptFacts,
  rules: RetryRules,
): AttemptEnding {
  switch (why) {
    case "already_sent":
      // Known there because it was told there: there is nothing to report.
      return { ...ended("SENT", "sent", "", facts), report: undefined };
    case "stale":
      return ended(facts.wasClaimed ? "UNKNOWN" : "SUPPRESSED_STALE", "stale", error, facts);
    case "raised":
      return ended("UNKNOWN", "stale", error, facts);
    case "expired":
      return dead("expired", error, facts);
    case "refused":
      return dead("refused", error, facts);
    case "unavailable": {
      const { fenceBackoff, random } = rules;
      const delayMs = retryDelayMs(facts.unavailableCount + 1, fenceBackoff, random);
      return again("unavailable", error, facts, delayMs);
    }
  }
}

function delayOf(facts: AttemptFacts, rules: RetryRules, askedMs?: number): number {
  return retryDelayMs(facts.failureCount + 1, rules.retryBackoff, rules.random, askedMs);
}

/**
 * The next piece follows at once. Nothing is settled: until the last piece has gone the reply is on its
 * way, and a reset counts it as such.
 */
function accepted(providerMessageId: string, { perhapsSent }: AttemptFacts): AttemptEnding {
  return {
    state: "PENDING",
    outcome: "accepted",
    delayMs: 0,
    error: "",
    providerMessageId,
    perhapsSent,
    failureCount: 0,
    unavailableCount: 0,
    hasAccepted: true,
    report: undefined,
  };
}

/** A dead letter, which is UNKNOWN where an attempt may have arrived. */
function dead(outcome: AttemptOutcome, error: string, facts: AttemptFacts): AttemptEnding {
  return ended(facts.perhapsSent ? "UNKNOWN" : "FAILED", outcome, error, facts);
}

const REPORTS = {
  SENT: ReplyState.SENT,
  FAILED: ReplyState.FAILED,
  UNKNOWN: ReplyState.UNKNOWN,
  SUPPRESSED_STALE: ReplyState.SUPPRESSED_STALE,
} as const;

function ended(
  state: keyof typeof REPORTS,
  outcome: AttemptOutcome,
  error: string,
  { perhapsSent, failureCount, unavailableCount }: AttemptFacts,
): AttemptEnding {
  return {
    state,
    outcome,
    delayMs: 0,
    error,
    providerMessageId: "",
    perhapsSent,
    failureCount,
    unavailableCount,
    hasAccepted: false,
    report: REPORTS[state],
  };
}

/** What was claimed must be settled, so that a reset counts only what is still on its way. */
function again(
  outcome: "failed" | "unknown" | "unavailable" | "paced" | "moved",
  error: string,
  { claimedNow, perhapsSent, failureCount, unavailableCount }: AttemptFacts,
  delayMs: number,
): AttemptEnding {
  const isUnknown = outcome === "unknown";
  const isUnavailable = outcome === "unavailable";
  const settled = isUnknown ? ReplyState.UNKNOWN : ReplyState.FAILED;
  return {
    state: "PENDING",
    outcome,
    delayMs,
    error,
    providerMessageId: "",
    perhapsSent: perhapsSent || isUnknown,
    failureCount: failureCount + (isUnknown || outcome === "failed" ? 1 : 0),
    unavailableCount: isUnavailable ? unavailableCount + 1 : claimedNow ? 0 : unavailableCount,
    hasAccepted: false,
    report: claimedNow ? settled : undefined,
  };
}
