import { setTimeout as sleep } from "node:timers/promises";

export interface EventuallyOptions {
  /** Default 40 s: a busy machine's seconds, and no success waits for it. */
  readonly timeoutMs?: number | undefined;
  /** Default 20 ms. */
  readonly pollMs?: number;
  /** Names the condition in the error. */
  readonly what?: string;
}

/**
 * Looks until `condition` gives something other than undefined, null or false, and resolves to it. A
 * condition that throws has not come true yet; the last error is the cause when the time is over.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<Exclude<T, undefined | null | false>> {
  const { timeoutMs = 40_000, pollMs = 20, what = "the condition" } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { value, error } = await attempt(condition);
    if (value !== undefined && value !== null && value !== false) {
      return value as Exclude<T, undefined | null | false>;
    }
    if (performance.now() > deadline) {
      throw new Error(`${what} did not come true within ${timeoutMs} ms`, { cause: error });
    }
    await sleep(pollMs);
  }
}

async function attempt<T>(
  condition: () => T | Promise<T>,
): Promise<{ value?: T; error?: unknown }> {
  try {
    return { value: await condition() };
  } catch (error) {
    return { error };
  }
}
