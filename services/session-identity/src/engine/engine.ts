import {
  type AbortState,
  type Batcher,
  BatcherClosedError,
  BatcherOverloadedError,
  createBatcher,
  isUnavailable,
} from "@lanekeeper/postgres";
import { draining, LanekeeperError, storeUnavailable } from "@lanekeeper/rpc";
import type { Refusal } from "../domain/refusal.ts";
import { LIMITS } from "../limits.ts";
import { nameOf } from "../store/keys/lock-keys.ts";
import type { Answers, Ask, Command, Result } from "./command.ts";
import { DatabaseClock } from "./database-clock.ts";
import type { EngineObserver } from "./engine-observer.ts";
import { KnownKeys } from "./known-keys.ts";
import { type BatchContext, runBatch } from "./run-batch.ts";

/**
 * Every change of a key goes through here: calls that arrive while a commit is in flight go together
 * in the next, and a key has one call in flight.
 */
export class Engine {
  readonly #batcher: Batcher<Command, Result>;

  constructor(parts: Omit<BatchContext, "memory" | "observer">, observer: EngineObserver = {}) {
    const memory = { keys: new KnownKeys(), clock: new DatabaseClock() };
    const context = { ...parts, memory, observer };
    this.#batcher = createBatcher<Command, Result>({
      run: (commands) => runObserved(context, commands),
      isOutage: isUnavailable,
      keyOf: ({ tenant, sessionKey }) => nameOf(tenant, sessionKey),
      maxBatch: LIMITS.maxBatch,
      maxWaiting: LIMITS.maxWaiting,
      concurrency: LIMITS.batchConcurrency,
    });
  }

  /** Calls that wait for a commit. */
  get waiting(): number {
    return this.#batcher.waiting;
  }

  /**
   * Decides one command, after all that came before it for its key.
   * @throws STORE_UNAVAILABLE, RATE_LIMITED, DRAINING, and the signal's reason
   */
  async submit<Kind extends Ask["kind"]>(
    command: Command & { readonly ask: Extract<Ask, { kind: Kind }> },
    signal?: AbortState,
  ): Promise<Answers[Kind] | Refusal> {
    try {
      const result = await this.#batcher.submit(command, { signal });
      // decide() answers each kind of command with its own kind of answer.
      return result as Answers[Kind] | Refusal;
    } catch (error) {
      throw storeError(error);
    }
  }

  close(): Promise<void> {
    return this.#batcher.close();
  }
}

async function runObserved(
  context: BatchContext,
  commands: readonly Command[],
): Promise<readonly Result[]> {
  const startMs = performance.now();
  const results = await runBatch(context, commands);
  context.observer.batch?.(commands.length, performance.now() - startMs);
  return results;
}

/** What callers are told when the database or its queue fails them; other errors are bugs. */
export function storeError(error: unknown): unknown {
  if (error instanceof BatcherClosedError) return draining();
  if (error instanceof BatcherOverloadedError) {
    const metadata = { limit: String(error.maxWaiting) };
    return new LanekeeperError("RATE_LIMITED", error.message, { metadata, retryAfterMs: 1_000 });
  }
  if (isUnavailable(error)) return storeUnavailable("the database cannot be reached", error);
  return error;
}
