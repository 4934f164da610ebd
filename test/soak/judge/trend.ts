import type { Point } from "../samples/samples.ts";

/** How a series went over the later half of a run. */
export interface Trend {
  readonly median: number;
  /** What it grew by over that half, as a straight line has it; below 0: it fell. */
  readonly growth: number;
  readonly samples: number;
}

/**
 * The line of Theil and Sen: the median of the slopes between all pairs of samples. A few spikes, as a kill
 * makes them, and a saw-tooth, as garbage collection and vacuum make them, do not tilt it.
 * https://en.wikipedia.org/wiki/Theil%E2%80%93Sen_estimator
 */
export function trendOf(points: readonly Point[], fromSeconds: number, toSeconds: number): Trend {
  const later = points.filter(({ atSeconds }) => atSeconds >= fromSeconds);
  const slopes: number[] = [];
  for (const [index, a] of later.entries()) {
    for (const b of later.slice(index + 1)) {
      if (b.atSeconds > a.atSeconds) slopes.push((b.value - a.value) / (b.atSeconds - a.atSeconds));
    }
  }
  return {
    median: medianOf(later.map(({ value }) => value)),
    growth: medianOf(slopes) * (toSeconds - fromSeconds),
    samples: later.length,
  };
}

export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return 0;
  const upper = sorted[Math.floor(middle)] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
