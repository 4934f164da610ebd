import type { Standing } from "./key-state.ts";
import { lastOccurrence } from "./local-time.ts";

/** How long an agent's sessions stay fresh. */
export interface FreshnessPolicy {
  /** Undefined: never by silence. */
  readonly idleAfterMs: number | undefined;
  /** "HH:MM"; empty: never by the clock. */
  readonly dailyAt: string;
  /** IANA zone of `dailyAt`. */
  readonly timeZone: string;
}

export type Freshness = "fresh" | "idle_expired" | "daily_expired";

/**
 * How a person's message accepted at `acceptMs` finds the session. Never expired while a run holds
 * the key (a clock must not kill a run), nor where the generation has no history to end. Both are
 * judged from the later of the last person's turn and the generation's begin, so one message never
 * rolls over twice: after the first time the begin lies after it.
 */
export function freshnessAt(
  session: Standing,
  policy: FreshnessPolicy | undefined,
  acceptMs: number,
): Freshness {
  if (policy === undefined || session.activeRun !== undefined || !session.used) return "fresh";
  const sinceMs = Math.max(session.personMs ?? 0, session.rotateMs);
  if (idlePassed(policy, sinceMs, acceptMs)) return "idle_expired";
  if (dailyPassed(policy, sinceMs, acceptMs)) return "daily_expired";
  return "fresh";
}

function idlePassed(policy: FreshnessPolicy, sinceMs: number, acceptMs: number): boolean {
  return policy.idleAfterMs !== undefined && acceptMs - sinceMs >= policy.idleAfterMs;
}

function dailyPassed(policy: FreshnessPolicy, sinceMs: number, acceptMs: number): boolean {
  if (policy.dailyAt === "" || acceptMs <= sinceMs) return false;
  const [hour = 0, minute = 0] = policy.dailyAt.split(":").map(Number);
  return lastOccurrence(acceptMs, hour, minute, policy.timeZone) > sinceMs;
}
