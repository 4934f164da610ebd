import type { Point } from "../samples/samples.ts";

/** How a series went over the later half of a run. */
export interface Trend {
  readonly median: number;
  /** What it grew by over that half, in the series' unit; below 0: it fell. */
  readonly growth: number;
  readonly samples: number;
}

/**
 * The smaller of two measures. The line of Theil and Sen, the median of the slopes between all pairs of
 * samples: a few spikes, as a kill makes them, and a saw-tooth, as garbage collection and vacuum make them, do
 * not tilt it (https://en.wikipedia.org/wiki/Theil%E2%80%93Sen_estimator). And how much higher the last fifth
 * bottoms out than the first one: what went up with other work on the machine and came down again has
 * not grown, and what leaks does not come down.
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
    growth: Math.min(medianOf(slopes) * (toSeconds - fromSeconds), floorRise(later)),
    samples: later.length,
  };
}

function floorRise(later: readonly Point[]): number {
  const fifth = Math.ceil(later.length / 5);
  return floorOf(later.slice(-fifth)) - floorOf(later.slice(0, fifth));
}

/** All but a tenth lie above: one low sample is no floor. */
function floorOf(points: readonly Point[]): number {
  const sorted = points.map(({ value }) => value).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 10)] ?? 0;
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return 0;
  const upper = sorted[Math.floor(middle)] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
