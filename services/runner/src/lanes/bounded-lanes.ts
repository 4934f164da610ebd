import type { UnderWay } from "@lanekeeper/service";
import { agentOf, type CanonicalKey } from "@lanekeeper/session-key";
import { LIMITS } from "../limits.ts";
import { oldestIdleLanes } from "../store/recovery/sweep.ts";
import type { RunnerDeps } from "../deps.ts";
import type { RunSlot, RunSlots } from "./run-slots.ts";

/** What serving lanes under a bound needs of the runner. */
export interface BoundedParts {
  readonly deps: Pick<RunnerDeps, "db" | "log">;
  readonly slots: RunSlots;
  /** Waited for before the database is closed. */
  readonly underWay: UnderWay;
  readonly mayClaim: (tenant: string) => boolean;
  /** Keys that are left alone for a moment. */
  readonly resting: (tenant: string) => readonly string[];
  /** Claims the head of a lane and runs it; false: there was nothing to claim, and the slot is free. */
  readonly claim: (tenant: string, sessionKey: string, slot: RunSlot) => Promise<boolean>;
}

/**
 * Gives the slots of a tenant whose runs are bounded to its lanes, the one first whose turn was accepted
 * first, whichever replica has its caller: so a turn waits for those accepted before it and for no
 * others, and no lane starves. Whoever frees a slot looks for the next lane; each sweep does too.
 */
export class BoundedLanes {
  readonly #parts: BoundedParts;
  readonly #serving = new Map<string, { again: boolean }>();

  constructor(parts: BoundedParts) {
    this.#parts = parts;
  }

  serve(tenant: string): void {
    const running = this.#serving.get(tenant);
    if (running !== undefined) {
      running.again = true;
      return;
    }
    this.#serving.set(tenant, { again: false });
    const served = this.#serve(tenant)
      .catch((err: unknown) => this.#parts.deps.log.error({ err, tenant }, "no lane was served"))
      .finally(() => this.#serving.delete(tenant));
    this.#parts.underWay.add(served);
  }

  async #serve(tenant: string): Promise<void> {
    for (;;) {
      await this.#fill(tenant);
      const state = this.#serving.get(tenant);
      if (state?.again !== true) return;
      state.again = false;
    }
  }

  /** Until there is no slot or no lane left. */
  async #fill(tenant: string): Promise<void> {
    const full = new Set<string>();
    for (let found = true; found && this.#parts.mayClaim(tenant); ) {
      found = false;
      const resting = this.#parts.resting(tenant);
      const { db } = this.#parts.deps;
      const lanes = await oldestIdleLanes(db, tenant, [...full], resting, LIMITS.boundedPick);
      for (const sessionKey of lanes) {
        const agentId = agentOf(sessionKey as CanonicalKey);
        const slot = full.has(agentId)
          ? "agent is full"
          : await this.#parts.slots.take(tenant, agentId);
        if (slot === "tenant is full") return;
        if (slot === "agent is full") found ||= !full.has(agentId);
        else found = (await this.#parts.claim(tenant, sessionKey, slot)) || found;
        if (slot === "agent is full") full.add(agentId);
      }
    }
  }
}
