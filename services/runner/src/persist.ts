import { isSerializationRetryable, isUnavailable } from "@lanekeeper/postgres";
import { backoffMs } from "@lanekeeper/service";
import type { RunnerDeps } from "./deps.ts";

/** A database that fails over is back within seconds. */
const BACKOFF = { baseMs: 50, maxMs: 2_000 };

/**
 * Writes what must not be lost: again and again while the store cannot be reached. Each statement is
 * a compare-and-set, so that one which took effect unseen finds nothing to do the second time. What need not be
 * written by this process has a signal: once it is aborted the failure is thrown.
 */
export async function persist<T>(
  { clock, log }: Pick<RunnerDeps, "clock" | "log">,
  what: string,
  write: () => Promise<T>,
  giveUp?: AbortSignal,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await write();
    } catch (err) {
      if (!isUnavailable(err) && !isSerializationRetryable(err)) throw err;
      if (giveUp?.aborted === true) throw err;
      log.warn({ err, what }, "the store cannot be reached; trying again");
      await clock.sleep(backoffMs(attempt, BACKOFF) + 1, giveUp).catch(() => undefined);
    }
  }
}
