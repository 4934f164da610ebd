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

/** Breaks things until the scene is over. */
export async function breakThings(scene: Scene, faults: Faults, calm: Calm): Promise<void> {
  await Promise.all(faults.map((list, n) => breakOneByOne(scene, list, calm, `nemesis ${n}`)));
}

/** Each kind comes once before any comes again, in an order that follows from the seed. */
async function breakOneByOne(
  scene: Scene,
  faults: readonly Fault[],
  calm: Calm,
  name: string,
): Promise<void> {
  const random = randomFor(scene.seed, name);
  const { over } = scene;
  let waiting = shuffled(faults, random);
  while (!over.aborted) {
    const calmMs = calm.leastMs + random() * calm.moreMs;
    await sleep(calmMs, undefined, { signal: over }).catch(() => undefined);
    if (over.aborted) return;
    if (waiting.length === 0) waiting = shuffled(faults, random);
    const fault = waiting.pop();
    if (fault !== undefined) await breakOnce(scene, fault, random);
  }
}

async function breakOnce(
  { recorder, cluster }: Scene,
  fault: Fault,
  random: Random,
): Promise<void> {
  const { kind } = fault;
  const planned = fault.plan(cluster, random);
  if (typeof planned === "string") {
    return recorder.saw("fault", { kind, target: planned, state: "unable" });
  }
  const { target, inflict } = planned;
  recorder.saw("fault", { kind, target, state: "begin" });
  const hits = await inflict();
  const counted = typeof hits === "number" ? { hits } : {};
  recorder.saw("fault", { kind, target, state: "end", ...counted });
}

function shuffled(faults: readonly Fault[], random: Random): Fault[] {
  const order = faults.map((fault) => ({ fault, rank: random() }));
  return order.sort((a, b) => a.rank - b.rank).map(({ fault }) => fault);
}
