import { setTimeout as sleep } from "node:timers/promises";
import { randomFor } from "../clients/random.ts";
import type { Scene } from "../clients/scene.ts";
import { FAULTS } from "./faults.ts";

/** Between faults: long enough that most calls meet a healthy constellation. */
const CALM_MS = { least: 700, more: 1_300 };
/** Each kind comes once before any comes again, in an order that follows from the seed. */
export async function breakThings(scene: Scene): Promise<void> {
  const random = randomFor(scene.seed, "nemesis");
  const { recorder, cluster, over } = scene;
  let waiting = shuffled(random);
  while (!over.aborted) {
    await sleep(CALM_MS.least + random() * CALM_MS.more, undefined, { signal: over }).catch(
      () => {},
    );
    if (over.aborted) return;
    if (waiting.length === 0) waiting = shuffled(random);
    const fault = waiting.pop();
    if (fault === undefined) return;
    const { target, inflict } = fault.plan(cluster, random);
    recorder.saw("fault", { kind: fault.kind, target, state: "begin" });
    await inflict();
    recorder.saw("fault", { kind: fault.kind, target, state: "end" });
  }
}

function shuffled(random: () => number) {
  const order = FAULTS.map((fault) => ({ fault, rank: random() }));
  return order.sort((a, b) => a.rank - b.rank).map(({ fault }) => fault);
}
