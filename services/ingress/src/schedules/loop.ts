import type { IngressLimits } from "../limits.ts";
import { type DueRunner, runDue } from "./run-due.ts";

/** What the loop needs. */
export interface ScheduleLoop extends DueRunner {
  readonly limits: DueRunner["limits"] & Pick<IngressLimits, "scheduleTickMs">;
  /** Claims no more; what is claimed is brought to its end. */
  readonly signal: AbortSignal;
}

/** Looks for schedules whose time has come, on every replica, until the signal is aborted. */
export async function runSchedules(loop: ScheduleLoop): Promise<void> {
  const { clock, limits, log, signal } = loop;
  while (!signal.aborted) {
    const pauseMs = await runDue(loop).then(
      // A full batch: there may be more.
      (claimed) => (claimed === limits.scheduleBatch ? 0 : limits.scheduleTickMs),
      (err: unknown) => {
        log.warn({ err }, "schedules could not be looked at; trying again");
        return limits.scheduleRetryMs;
      },
    );
    await clock.sleep(pauseMs, signal).catch(() => undefined);
  }
}
