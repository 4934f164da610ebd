import type { CronTimes } from "@lanekeeper/cron";

/** What is to be done about a due time. */
export interface RunPlan {
  /** Run this one; undefined: it is too late for any. */
  readonly dueTime: Date | undefined;
  /** The first time that is left out. */
  readonly missedTime: Date | undefined;
  readonly nextDueTime: Date;
}

/** When a due time is late, and when too late. */
export interface RunLimits {
  readonly scheduleLateMs: number;
  readonly scheduleCatchUpMs: number;
}

/**
 * A due time that is a little late (a restart, a lease that had to run out) is run like any other, so
 * none is skipped for it. What was missed for longer is not made up for one by one: the latest missed
 * time is run, once, and not at all where it is older than the bound.
 * @throws Error where no time is left, which five fields without a year cannot say.
 */
export function planRun(
  cron: CronTimes,
  { dueTime, now }: { readonly dueTime: Date; readonly now: Date },
  { scheduleLateMs, scheduleCatchUpMs }: RunLimits,
): RunPlan {
  const age = (time: Date): number => now.getTime() - time.getTime();
  if (age(dueTime) <= scheduleLateMs) {
    return { dueTime, missedTime: undefined, nextDueTime: nextTime(cron, dueTime) };
  }
  const found = cron.latest(now);
  const latest = found === undefined || found < dueTime ? dueTime : found;
  if (age(latest) > scheduleCatchUpMs) {
    return { dueTime: undefined, missedTime: dueTime, nextDueTime: nextTime(cron, now) };
  }
  const missedTime = latest > dueTime ? dueTime : undefined;
  return { dueTime: latest, missedTime, nextDueTime: nextTime(cron, latest) };
}

/** @throws Error where no time is left. */
export function nextTime(cron: CronTimes, after: Date): Date {
  const next = cron.next(after);
  if (next === undefined) throw new Error(`no time is left after ${after.toISOString()}`);
  return next;
}
