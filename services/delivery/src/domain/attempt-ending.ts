import { ReplyState } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { type Backoff, retryDelayMs } from "./backoff.ts";
import type { DeliveryStateName } from "./delivery-state.ts";
import type { AttemptOutcome, SendOutcome } from "./send-outcome.ts";

/** What was known of a delivery when the attempt ended. */
export interface AttemptFacts {
  /** From 1. */
  readonly attempt: number;
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
  /** What session-identity is to be told; undefined: nothing that it does not know. */
  readonly report: ReplyState | undefined;
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
      return { ...ended("SENT", "sent", "", facts), providerMessageId: outcome.providerMessageId };
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
    case "expired":
      return dead("expired", error, facts);
    case "refused":
      return dead("refused", error, facts);
    case "unavailable": {
      const { fenceBackoff, random } = rules;
      return again("unavailable", error, facts, retryDelayMs(facts.attempt, fenceBackoff, random));
    }
  }
}

function delayOf(facts: AttemptFacts, rules: RetryRules, askedMs?: number): number {
  return retryDelayMs(facts.attempt, rules.retryBackoff, rules.random, askedMs);
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
  { perhapsSent }: AttemptFacts,
): AttemptEnding {
  const report = REPORTS[state];
  return { state, outcome, delayMs: 0, error, providerMessageId: "", perhapsSent, report };
}

/** What was claimed must be settled, so that a reset counts only what is still on its way. */
function again(
  outcome: "failed" | "unknown" | "unavailable",
  error: string,
  { claimedNow, perhapsSent }: AttemptFacts,
  delayMs: number,
): AttemptEnding {
  const isUnknown = outcome === "unknown";
  const settled = isUnknown ? ReplyState.UNKNOWN : ReplyState.FAILED;
  return {
    state: "PENDING",
    outcome,
    delayMs,
    error,
    providerMessageId: "",
    perhapsSent: perhapsSent || isUnknown,
    report: claimedNow ? settled : undefined,
  };
}
