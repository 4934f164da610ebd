import type { Session } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { isUnavailable } from "@lanekeeper/postgres";
import { isRetryable } from "@lanekeeper/rpc";
import { backoffMs } from "@lanekeeper/service";
import { learnSession } from "../answering/session-parents.ts";
import type { RunnerDeps } from "../deps.ts";
import { LIMITS } from "../limits.ts";
import type { OnRotated } from "../runs/rotations.ts";

type Deps = Pick<RunnerDeps, "db" | "identity" | "clock" | "log">;

const BACKOFF = { baseMs: 100, maxMs: 10_000 };

interface Restored {
  readonly tenant: string;
  readonly session: Session;
}

/**
 * A session that goes on from another, as RESTORE, FORK and REPLAY make it, is known here once it stands, and
 * not only when somebody speaks in it: what it reads as its past is kept for it from then on. One after
 * the other, since an operator's script may make many.
 */
export class LearnRestored {
  readonly #deps: Deps;
  readonly #waiting: Restored[] = [];
  readonly #ending = new AbortController();
  #learning: Promise<void> | undefined;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** To be told of keys that no run holds. */
  readonly onRotated: OnRotated = (tenant, session) => {
    if (session.parentSessionId === "" || this.#ending.signal.aborted) return;
    if (this.#waiting.length >= LIMITS.restoredSessionsWaiting) return this.#leftOut(session);
    this.#waiting.push({ tenant, session });
    this.#learning ??= this.#learnAll();
  };

  /** Learns no more; resolves when it asks nobody. */
  async stop(): Promise<void> {
    this.#ending.abort(new Error("the replica ends"));
    await this.#learning;
  }

  async #learnAll(): Promise<void> {
    for (let next = this.#next(); next !== undefined; next = this.#next()) await this.#learn(next);
    this.#learning = undefined;
  }

  #next(): Restored | undefined {
    return this.#ending.signal.aborted ? undefined : this.#waiting.shift();
  }

  /** Never rejects. */
  async #learn({ tenant, session }: Restored): Promise<void> {
    const { clock, log } = this.#deps;
    const { signal } = this.#ending;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        return await learnSession(this.#deps, tenant, session, { tenant, signal });
      } catch (err) {
        if (signal.aborted) return;
        const isLater = isUnavailable(err) || isRetryable(err);
        log[isLater ? "info" : "error"](
          { err, tenant, ...nameOf(session) },
          "a session's past is not known",
        );
        if (!isLater) return;
      }
      await clock.sleep(backoffMs(attempt, BACKOFF) + 1, signal).catch(() => undefined);
    }
  }

  #leftOut(session: Session): void {
    this.#deps.log.warn(nameOf(session), "too many sessions wait for their past to be known");
  }
}

function nameOf({ ref }: Session): object {
  return { session_key: ref?.sessionKey, session_id: ref?.sessionId };
}
