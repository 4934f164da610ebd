/** Some values of one thing, measured in turn. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (place: number) => sorted[place] ?? Number.NaN;
  return { min: at(0), median: at(Math.floor(sorted.length / 2)), max: at(sorted.length - 1) };
}

/** What stands so far along the values once they are in order: 0.5 gives the median, 1 the largest. NaN: there are none. */
export function quantilesOf(values: readonly number[]): (part: number) => number {
  const sorted = Float64Array.from(values).sort();
  return (part) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** Ours and the baseline as they were measured one right after the other. */
export interface Round {
  readonly ours: number;
  readonly baseline: number;
}

/** A/B/A/B, so that what else the machine does meets both alike; each round gives a ratio of its own. */
export async function interleave(
  rounds: number,
  ours: () => Promise<number>,
  baseline: () => Promise<number>,
): Promise<readonly Round[]> {
  const measured: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    measured.push({ ours: await ours(), baseline: await baseline() });
  }
  return measured;
}
