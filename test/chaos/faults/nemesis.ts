import { setTimeout as sleep } from "node:timers/promises";
import { type Random, randomFor } from "../clients/random.ts";
import type { Scene } from "../clients/scene.ts";
import type { Fault } from "./fault.ts";
import type { Faults } from "./faults.ts";

/** How long nothing is broken between two faults. */
export interface Calm {
  readonly leastMs: number;
  readonly moreMs: number;
}

/** Long enough that most calls meet a healthy constellation. */
export const SHORT_CALM: Calm = { leastMs: 700, moreMs: 1_300 };

/** Long enough that what has to be done gets done. */
export const LONG_CALM: Calm = { leastMs: 4_000, moreMs: 6_000 };

/** How often in one round a fault may come to nothing: a point that nobody passed, a link that nobody used. */
const TRIES = 4;

export interface Breaking {
  /** Resolves once each fault has hit something, or was found to be one that this machine cannot make. */
  readonly made: Promise<void>;
  /** Resolves when the scene is over and what was broken is healed. */
  readonly ended: Promise<void>;
}

type Scenery = Pick<Scene, "recorder" | "cluster" | "seed" | "over">;

/** Breaks things until the scene is over. */
export function breakThings(scene: Scenery, faults: Faults, calm: Calm): Breaking {
  const all = faults.map((list, n) => new Nemesis(scene, list, calm, `nemesis ${n}`));
  return {
    made: Promise.all(all.map(({ made }) => made)).then(() => undefined),
    ended: Promise.all(all.map((one) => one.run())).then(() => undefined),
  };
}

/**
 * Each fault comes once before any comes again, in an order that follows from the seed; one that hit
 * nothing comes again behind the others.
 */
class Nemesis {
  readonly made: Promise<void>;
  readonly #scene: Scenery;
  readonly #faults: readonly Fault[];
  readonly #calm: Calm;
  readonly #random: Random;
  readonly #missing: Set<string>;
  #allMade: () => void = () => undefined;

  constructor(scene: Scenery, faults: readonly Fault[], calm: Calm, name: string) {
    this.#scene = scene;
    this.#faults = faults;
    this.#calm = calm;
    this.#random = randomFor(scene.seed, name);
    this.#missing = new Set(faults.map(({ kind }) => kind));
    this.made = new Promise((resolve) => (this.#allMade = resolve));
    if (this.#missing.size === 0) this.#allMade();
  }

  async run(): Promise<void> {
    while (!this.#scene.over.aborted && this.#faults.length > 0) await this.#round();
  }

  async #round(): Promise<void> {
    const waiting = shuffled(this.#faults, this.#random).map((fault) => ({ fault, left: TRIES }));
    while (await this.#stillCalm()) {
      const next = waiting.pop();
      if (next === undefined) return;
      const { fault, left } = next;
      const isMade = await breakOnce(this.#scene, fault, this.#random);
      if (isMade) this.#made(fault);
      else if (left > 1) waiting.unshift({ fault, left: left - 1 });
    }
  }

  #made({ kind }: Fault): void {
    this.#missing.delete(kind);
    if (this.#missing.size === 0) this.#allMade();
  }

  /** False: the scene is over. */
  async #stillCalm(): Promise<boolean> {
    const { over } = this.#scene;
    const calmMs = this.#calm.leastMs + this.#random() * this.#calm.moreMs;
    await sleep(calmMs, undefined, { signal: over }).catch(() => undefined);
    return !over.aborted;
  }
}

/** Gives whether there is nothing to be gained by a second try: it hit something, or never can. */
async function breakOnce(
  { recorder, cluster }: Scenery,
  fault: Fault,
  random: Random,
): Promise<boolean> {
  const { kind } = fault;
  const planned = fault.plan(cluster, random);
  if (typeof planned === "string") {
    recorder.saw("fault", { kind, target: planned, state: "unable" });
    return true;
  }
  const { target, inflict } = planned;
  recorder.saw("fault", { kind, target, state: "begin" });
  const hits = await inflict();
  const counted = typeof hits === "number" ? { hits } : {};
  recorder.saw("fault", { kind, target, state: "end", ...counted });
  return hits !== 0;
}

function shuffled(faults: readonly Fault[], random: Random): Fault[] {
  const order = faults.map((fault) => ({ fault, rank: random() }));
  return order.sort((a, b) => a.rank - b.rank).map(({ fault }) => fault);
}
