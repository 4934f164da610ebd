import { quantilesOf } from "../../shared/ratios.ts";
import { keyName } from "../names.ts";
import type { LoadJob, Measured } from "./jobs.ts";

/** One turn, from its request to its answer; gives its id. */
export type Call = (turn: number) => Promise<string>;

/** So many callers, each with one turn on the way at any time, until all turns were asked for. */
export async function closedLoop(job: LoadJob, call: Call): Promise<Measured> {
  const latenciesMs: number[] = [];
  const turnIds: string[] = [];
  const failures: Record<string, number> = {};
  let next = 0;
  const callOn = async (): Promise<void> => {
    while (next < job.turns) {
      const beganMs = performance.now();
      const answer = call((next += 1));
      const id = await answer.catch((error: unknown) => {
        const why = String(error);
        failures[why] = (failures[why] ?? 0) + 1;
      });
      latenciesMs.push(performance.now() - beganMs);
      if (id !== undefined) turnIds.push(id);
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: job.callers }, callOn));
  const seconds = (performance.now() - startMs) / 1_000;
  const at = quantilesOf(latenciesMs);
  return {
    ...{ turns: job.turns, failures, turnIds },
    perSecond: job.turns / seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  };
}

/** The name of the conversation that a turn, counted from 1, is in. */
export function keyOf({ keys, keysOf, inOrder = false }: LoadJob, turn: number): string {
  return keyName(keysOf, inOrder ? (turn - 1) % keys : Math.floor(Math.random() * keys));
}
