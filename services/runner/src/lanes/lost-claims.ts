import { LIMITS } from "../limits.ts";
import type { RunnerDeps } from "../deps.ts";
import { type Held, releaseClaim } from "../store/lanes/claim-head.ts";

/**
 * Turns that this replica wanted to admit and claim, and of which the database's answer was lost. Who was
 * admitted all the same is found by the caller that asks again, and would wait for a run that nobody began
 * until its lease is over. So its claim is given back, and the lane goes on.
 */
export class LostClaims {
  readonly #deps: Pick<RunnerDeps, "db" | "clock" | "log">;
  readonly #onFree: (tenant: string, sessionKey: string) => void;
  readonly #claims = new Map<Held, number>();

  constructor(
    deps: Pick<RunnerDeps, "db" | "clock" | "log">,
    onFree: (tenant: string, sessionKey: string) => void,
  ) {
    this.#deps = deps;
    this.#onFree = onFree;
  }

  /** Past the bound it is left to the sweep of dead runs. */
  add(claim: Held): void {
    if (this.#claims.size >= LIMITS.lostClaimsPerReplica) return;
    this.#claims.set(claim, this.#deps.clock.monotonicMs());
  }

  /**
   * Gives back those that stand. What the server had in hand when the connection broke may come to be a moment
   * later, so that a recent one is looked at again. @throws while the database cannot be asked; none is lost then.
   */
  async giveBack(): Promise<void> {
    const { db, clock, log } = this.#deps;
    for (const [claim, addedMs] of this.#claims) {
      const isGiven = await releaseClaim(db, claim);
      if (!isGiven && clock.monotonicMs() - addedMs < LIMITS.sweepMs) continue;
      this.#claims.delete(claim);
      if (!isGiven) continue;
      const { tenant, sessionKey: session_key, turnId: turn_id } = claim;
      log.info(
        { tenant, session_key, turn_id },
        "a turn's admission was not heard of; its lane goes on",
      );
      this.#onFree(claim.tenant, claim.sessionKey);
    }
  }
}
