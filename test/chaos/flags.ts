import { parseArgs } from "node:util";

export interface Flags {
  readonly seconds: number;
  readonly seed: number;
}

/** How a run is repeated. */
export function repeatOf({ seconds, seed }: Flags): string {
  return `npm run chaos -- --minutes ${Number((seconds / 60).toFixed(3))} --seed ${seed}`;
}

/** `--minutes 3 --seed 7`; without a seed, one that is told. */
export function parseFlags(args: readonly string[], minutes = 3): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: { minutes: { type: "string" }, seed: { type: "string" } },
  });
  const wanted = Number(values.minutes ?? minutes);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
  if (!(wanted > 0)) throw new Error("--minutes is a number above 0");
  if (!Number.isSafeInteger(seed)) throw new Error("--seed is a whole number");
  return { seconds: wanted * 60, seed };
}
