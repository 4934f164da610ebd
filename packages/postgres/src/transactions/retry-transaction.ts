import { setTimeout as sleep } from "node:timers/promises";
import { isSerializationRetryable, isStalePlan } from "../errors.ts";
import { LIMITS } from "../limits.ts";

/**
 * Runs a whole transaction again when the server rolled it back for a deadlock or a serialization
 * conflict, at most `LIMITS.transactionAttempts` times in all. Nothing outside the database may depend
 * on how often `attempt` runs.
 */
export async function retryOnDeadlock<Result>(
  attempt: () => Promise<Result>,
  pause: (ms: number) => Promise<unknown> = sleep,
): Promise<Result> {
  for (let number = 1; ; number += 1) {
    try {
      return await attempt();
    } catch (error) {
      const again = isSerializationRetryable(error) || isStalePlan(error);
      if (!again || number >= LIMITS.transactionAttempts) throw error;
      // Full jitter: those who collided once should not meet again.
      await pause(Math.random() * LIMITS.retryPauseMs * 2 ** number);
    }
  }
}
