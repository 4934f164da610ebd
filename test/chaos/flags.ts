import { parseArgs } from "node:util";
import type { RunOptions } from "./run.ts";

export type Flags = Pick<RunOptions, "work" | "seed">;

/** How a run is repeated. */
export function repeatOf({ work, seed }: Flags): string {
  const wanted =
    "seconds" in work
      ? `--minutes ${Number((work.seconds / 60).toFixed(3))}`
      : `--turns ${work.turns} --keys ${work.keys}`;
  return `npm run chaos -- ${wanted} --seed ${seed}`;
}

/** `--minutes 3 --seed 7`, or `--turns 5000 --keys 200`; without a seed, one that is told. */
export function parseFlags(args: readonly string[], minutes = 3): Flags {
  const text = { type: "string" } as const;
  const options = { minutes: text, seed: text, turns: text, keys: text };
  const { values } = parseArgs({ args: [...args], options });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
  if (!Number.isSafeInteger(seed)) throw new Error("--seed is a whole number");
  if (values.turns !== undefined) {
    const keys = count("keys", values.keys ?? "200");
    return { seed, work: { turns: count("turns", values.turns), keys } };
  }
  const wanted = Number(values.minutes ?? minutes);
  if (!(wanted > 0)) throw new Error("--minutes is a number above 0");
  return { seed, work: { seconds: wanted * 60 } };
}

function count(name: string, text: string): number {
  const found = Number(text);
  if (!Number.isSafeInteger(found) || found < 1) throw new Error(`--${name} is a number above 0`);
  return found;
}
