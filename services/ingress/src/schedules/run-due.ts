import { randomUUID } from "node:crypto";
import { isCronProblem, parseCron } from "@lanekeeper/cron";
import { Code, hasReason, isRetryable, LanekeeperError, RpcError } from "@lanekeeper/rpc";
import {
  type Clock,
  inTrace,
  type Log,
  traceparentOf,
  turnLog,
  withSpan,
} from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";
import type { IngressMetrics } from "../metrics.ts";
import { dispositionWord } from "../turns/disposition.ts";
import { planRun, type RunPlan } from "./plan-run.ts";
import { dueKey, rawKeyOf } from "./schedule.ts";
import { type StartedTurn, startTurn, type TurnStarting } from "./start-turn.ts";
import type { Claim, Settlement } from "./store/claim.ts";
import type { ScheduleStore } from "./store.ts";

/** What runs schedules. */
export interface DueRunner extends TurnStarting {
  readonly store: Pick<ScheduleStore, "claim" | "settle" | "postpone">;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<IngressMetrics, "scheduleRun">;
  readonly limits: Pick<
    IngressLimits,
    | "scheduleBatch"
    | "scheduleLeaseMs"
    | "scheduleAttemptMs"
    | "scheduleRetryMs"
    | "scheduleLateMs"
    | "scheduleCatchUpMs"
  >;
}

/**
 * Claims the schedules whose time has come and starts their turns. A replica that dies in between
 * leaves its claims to the others once the lease is over; they submit under the same keys, so a turn
 * that was accepted is joined and one that was not is accepted. Resolves to how many were claimed.
 */
export async function runDue(deps: DueRunner): Promise<number> {
  const { scheduleLeaseMs: leaseMs, scheduleBatch: limit } = deps.limits;
  const claims = await deps.store.claim({ token: randomUUID(), leaseMs, limit });
  await Promise.all(
    claims.map((claimed) =>
      runClaim(deps, claimed).catch((err: unknown) => {
        // The lease runs out, and it is tried again.
        const { tenant, scheduleId: schedule_id } = claimed.schedule;
        deps.log.error({ err, tenant, schedule_id }, "a schedule could not be run");
      }),
    ),
  );
  return claims.length;
}

async function runClaim(deps: DueRunner, claimed: Claim): Promise<void> {
  const { schedule, now } = claimed;
  const plan = planOf(deps, claimed);
  const { missedTime, nextDueTime } = plan;
  if (missedTime !== undefined) {
    deps.metrics.scheduleRun("missed", undefined);
    const missed = { missed_time: missedTime.toISOString(), schedule_id: schedule.scheduleId };
    deps.log.warn({ tenant: schedule.tenant, ...missed }, "a schedule's runs were missed");
  }
  const { dueTime } = plan;
  if (dueTime === undefined) {
    return deps.store.settle(claimed, { run: undefined, missedTime, nextDueTime });
  }
  const lagMs = now.getTime() - dueTime.getTime();
  const run = await attempt(deps, claimed, dueTime, lagMs);
  if (run === undefined) return deps.store.postpone(claimed, deps.limits.scheduleRetryMs);
  await deps.store.settle(claimed, { run, missedTime, nextDueTime });
}

function planOf({ limits }: DueRunner, { schedule, dueTime, now }: Claim): RunPlan {
  const cron = parseCron(schedule.cron, schedule.timeZone);
  // It was read when it was stored: by another release's rules, or another time zone database.
  if (isCronProblem(cron)) throw new Error(`${schedule.cron}: ${cron.part} ${cron.problem}`);
  return planRun(cron, { dueTime, now }, limits);
}

/** Undefined: nobody said yes or no; to be tried again. */
async function attempt(
  deps: DueRunner,
  { schedule }: Claim,
  dueTime: Date,
  lagMs: number,
): Promise<Settlement["run"]> {
  const { scheduleId } = schedule;
  const key = dueKey(scheduleId, dueTime);
  const principal = `schedule/${scheduleId}`;
  let log = turnLog(deps.log, {
    tenant: schedule.tenant,
    principal,
    channel: "schedule",
    request_id: key,
    raw_key: rawKeyOf(scheduleId),
  });
  try {
    const about = { tenant: schedule.tenant, principal, requestId: key };
    const started = startSpanned(deps, schedule, about, (traceparent) => {
      log = inTrace(log, traceparent);
    });
    const { turnId, session, disposition } = await started;
    deps.metrics.scheduleRun("accepted", lagMs / 1_000);
    const to = { turn_id: turnId, session_key: session?.sessionKey };
    log.info({ ...to, disposition: dispositionWord(disposition), lag_ms: lagMs }, "scheduled turn");
    return { dueTime, turnId, reason: "", errorMessage: "" };
  } catch (error) {
    if (!(error instanceof LanekeeperError) || isUnanswered(error)) {
      deps.metrics.scheduleRun("unanswered", undefined);
      log.warn({ err: error }, "a scheduled turn is not accepted yet; trying again");
      return;
    }
    const { reason, message: errorMessage } = error;
    deps.metrics.scheduleRun("refused", undefined);
    log.warn({ reason, lag_ms: lagMs }, `a scheduled turn was refused: ${errorMessage}`);
    return { dueTime, turnId: "", reason, errorMessage };
  }
}

function startSpanned(
  deps: DueRunner,
  schedule: Claim["schedule"],
  who: { readonly tenant: string; readonly principal: string; readonly requestId: string },
  onTrace: (traceparent: string | undefined) => void,
): Promise<StartedTurn> {
  const { tenant, requestId: idempotencyKey } = who;
  const signal = AbortSignal.timeout(deps.limits.scheduleAttemptMs);
  return withSpan(`schedule ${schedule.scheduleId}`, { "lanekeeper.tenant": tenant }, (span) => {
    const within = { traceparent: traceparentOf(span) };
    onTrace(within.traceparent);
    return startTurn(deps, { spec: schedule, idempotencyKey, about: { ...who, signal, within } });
  });
}

/** A neighbour that is away, or took too long: it may have been accepted or not. Or one that is overloaded. */
function isUnanswered(error: unknown): boolean {
  if (isRetryable(error) || hasReason(error, "RATE_LIMITED")) return true;
  return error instanceof RpcError && error.code === Code.CANCELLED;
}
