import { LIMITS } from "../limits.ts";
import {
  type HeldSlots,
  takeSlots,
  type WantedSlots,
  writeSlots,
} from "../store/lanes/run-slots.ts";
import type { Agents } from "../agents.ts";
import type { RunnerDeps } from "../deps.ts";
import { persist } from "../persist.ts";

/** The right of a run to count against the bounds of its agent and its tenant. */
export interface RunSlot {
  /** False: neither has a bound. */
  readonly isBound: boolean;
  /** For good. */
  free(): Promise<void>;
  /** While the run waits for another lane's turn. */
  setAside(): Promise<void>;
  /** Before any new run gets one; resolves without one only when the signal aborts. */
  reclaim(signal: AbortSignal): Promise<void>;
}

const nothing = (): Promise<void> => Promise.resolve();

/** Of runs whose number nobody bounds. */
export const UNBOUND: RunSlot = {
  isBound: false,
  free: nothing,
  setAside: nothing,
  reclaim: nothing,
};

/** Which bound left no room. */
export type NoSlot = "agent is full" | "tenant is full";

interface Bound {
  readonly scope: string;
  readonly bound: number;
}

interface Held {
  readonly tenant: string;
  readonly scope: string;
  slots: number;
  reclaims: number;
}

type SlotDeps = Pick<RunnerDeps, "db" | "clock" | "log" | "replica" | "leaseMs">;

/**
 * Bounds on concurrent runs over all replicas. Each replica says in a row of its own how many runs it
 * has, under a lease; rows of live leases are what counts. Where nothing is bounded nothing is asked.
 */
export class RunSlots {
  readonly #deps: SlotDeps;
  readonly #agents: Pick<Agents, "runBounds">;
  readonly #held = new Map<string, Held>();
  /** What was full a moment ago need not be asked again. */
  readonly #fullUntilMs = new Map<string, number>();
  /** One write at a time: each says how many there are. */
  #last: Promise<unknown> = Promise.resolve();
  onFreed: (tenant: string) => void = () => undefined;

  constructor(deps: SlotDeps, agents: Pick<Agents, "runBounds">) {
    this.#deps = deps;
    this.#agents = agents;
  }

  async isBound(tenant: string, agentId: string): Promise<boolean> {
    return (await this.#boundsOf(tenant, agentId)).length > 0;
  }

  /** For a new run. */
  async take(tenant: string, agentId: string): Promise<RunSlot | NoSlot> {
    const bounds = await this.#boundsOf(tenant, agentId);
    if (bounds.length === 0) return UNBOUND;
    return (await this.#tryTake(tenant, bounds, false)) ?? this.#slot(tenant, bounds);
  }

  /** For a run that had one before, or whose turn had: before any new run gets one. */
  async takeAgain(tenant: string, agentId: string, signal: AbortSignal): Promise<RunSlot> {
    const bounds = await this.#boundsOf(tenant, agentId);
    if (bounds.length === 0) return UNBOUND;
    const has = await this.#reclaim(tenant, bounds, signal);
    return this.#slot(tenant, bounds, has);
  }

  /** To be called thrice a lease. */
  async renew(): Promise<void> {
    if (![...this.#held.values()].some(isInUse)) return;
    await this.#write("renew slots", () => [...this.#held.values()].filter(isInUse));
  }

  async #boundsOf(tenant: string, agentId: string): Promise<Bound[]> {
    const { agent, tenant: ofTenant } = await this.#agents.runBounds(tenant, agentId);
    return [
      { scope: agentId, bound: agent },
      { scope: "", bound: ofTenant },
    ].filter(({ bound }) => bound > 0);
  }

  /** Undefined: it is taken. */
  async #tryTake(
    tenant: string,
    bounds: readonly Bound[],
    isAgain: boolean,
  ): Promise<NoSlot | undefined> {
    const known = isAgain ? [] : bounds.filter(({ scope }) => this.#isFull(tenant, scope));
    if (known.length > 0) return noSlot(known);
    return this.#alone(async () => {
      const held = bounds.map(({ scope }) => this.#heldOf(tenant, scope));
      const given = isAgain ? 1 : 0;
      const wanted: WantedSlots[] = bounds.map(({ scope, bound }) => {
        const { slots, reclaims } = this.#heldOf(tenant, scope);
        return { tenant, scope, bound, slots: slots + 1, reclaims: reclaims - given };
      });
      const full = await takeSlots(this.#deps.db, wanted, this.#deps, isAgain);
      if (full.length > 0) return this.#noteFull(tenant, full);
      for (const one of held) {
        one.slots += 1;
        one.reclaims -= given;
      }
      return undefined;
    });
  }

  /** False: the signal aborted before. */
  async #reclaim(tenant: string, bounds: readonly Bound[], signal: AbortSignal): Promise<boolean> {
    await this.#change(tenant, bounds, { slots: 0, reclaims: 1 });
    while (!signal.aborted) {
      const full = await this.#tryTake(tenant, bounds, true).catch((err: unknown) => {
        this.#deps.log.warn({ err, tenant }, "no slot could be asked for; trying again");
        return "tenant is full" as const;
      });
      if (full === undefined) return true;
      await this.#deps.clock.sleep(LIMITS.reclaimPollMs, signal).catch(() => undefined);
    }
    await this.#change(tenant, bounds, { slots: 0, reclaims: -1 });
    return false;
  }

  #slot(tenant: string, bounds: readonly Bound[], has = true): RunSlot {
    let isHeld = has;
    const free = async (): Promise<void> => {
      if (!isHeld) return;
      isHeld = false;
      await this.#change(tenant, bounds, { slots: -1, reclaims: 0 });
      for (const { scope } of bounds) this.#fullUntilMs.delete(idOf(tenant, scope));
      this.onFreed(tenant);
    };
    const reclaim = async (signal: AbortSignal): Promise<void> => {
      isHeld ||= await this.#reclaim(tenant, bounds, signal);
    };
    return { isBound: true, free, setAside: free, reclaim };
  }

  #change(
    tenant: string,
    bounds: readonly Bound[],
    by: { readonly slots: number; readonly reclaims: number },
  ): Promise<void> {
    return this.#write("write slots", () =>
      bounds.map(({ scope }) => {
        const held = this.#heldOf(tenant, scope);
        held.slots += by.slots;
        held.reclaims += by.reclaims;
        return held;
      }),
    );
  }

  #write(what: string, held: () => readonly HeldSlots[]): Promise<void> {
    return this.#alone(() => {
      const rows = held();
      return persist(this.#deps, what, () => writeSlots(this.#deps.db, rows, this.#deps));
    });
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  #heldOf(tenant: string, scope: string): Held {
    const id = idOf(tenant, scope);
    const held = this.#held.get(id) ?? { tenant, scope, slots: 0, reclaims: 0 };
    this.#held.set(id, held);
    return held;
  }

  #isFull(tenant: string, scope: string): boolean {
    return (this.#fullUntilMs.get(idOf(tenant, scope)) ?? 0) > this.#deps.clock.monotonicMs();
  }

  #noteFull(tenant: string, scopes: readonly string[]): NoSlot {
    const untilMs = this.#deps.clock.monotonicMs() + LIMITS.fullScopeMs;
    for (const scope of scopes) this.#fullUntilMs.set(idOf(tenant, scope), untilMs);
    return noSlot(scopes.map((scope) => ({ scope })));
  }
}

function noSlot(full: readonly Pick<Bound, "scope">[]): NoSlot {
  return full.some(({ scope }) => scope === "") ? "tenant is full" : "agent is full";
}

function isInUse({ slots, reclaims }: Held): boolean {
  return slots > 0 || reclaims > 0;
}

function idOf(tenant: string, scope: string): string {
  return `${tenant}\n${scope}`;
}
