import type { Point } from "../samples/samples.ts";

/** How a series went over the later half of a run. */
export interface Trend {
  readonly median: number;
  /** What it grew by over that half, in the series' unit; below 0: it fell. */
  readonly growth: number;
  readonly samples: number;
}

/**
 * The smallest of three measures. The line of Theil and Sen, the median of the slopes between all pairs of
 * samples: a few spikes, as a kill makes them, and a saw-tooth, as garbage collection and vacuum make them, do
 * not tilt it (https://en.wikipedia.org/wiki/Theil%E2%80%93Sen_estimator). And how much higher the last fifth
 * bottoms out than the first one: what went up with other work on the machine and came down again has
 * not grown, and what leaks does not come down. And how much higher the last fifth's tops are than those
 * before: V8 keeps pages for ten minutes and gives them back, so that memory in the later half may rise to
 * where it has been, again and again, in the earlier one. The first tenth, in which code is compiled, does not count.
 */
export function trendOf(points: readonly Point[], fromSeconds: number, toSeconds: number): Trend {
  const later = points.filter(({ atSeconds }) => atSeconds >= fromSeconds);
  const earlier = points.filter(
    ({ atSeconds }) => atSeconds >= toSeconds / 10 && atSeconds < fromSeconds,
  );
  const slopes: number[] = [];
  for (const [index, a] of later.entries()) {
    for (const b of later.slice(index + 1)) {
      if (b.atSeconds > a.atSeconds) slopes.push((b.value - a.value) / (b.atSeconds - a.atSeconds));
    }
  }
  return {
    median: medianOf(later.map(({ value }) => value)),
    growth: Math.min(
      medianOf(slopes) * (toSeconds - fromSeconds),
      floorRise(later),
      topRise(earlier, later),
    ),
    samples: later.length,
  };
}

function floorRise(later: readonly Point[]): number {
  const fifth = Math.ceil(later.length / 5);
  return floorOf(later.slice(-fifth)) - floorOf(later.slice(0, fifth));
}

/** Where nothing was measured before, nothing can be said. */
function topRise(earlier: readonly Point[], later: readonly Point[]): number {
  if (earlier.length === 0) return Number.POSITIVE_INFINITY;
  return topOf(later.slice(-Math.ceil(later.length / 5))) - topOf(earlier);
}

/** All but a tenth lie above: one low sample is no floor. */
function floorOf(points: readonly Point[]): number {
  return valueAt(points, 0.1);
}

/** All but a tenth lie below. */
function topOf(points: readonly Point[]): number {
  return valueAt(points, 0.9);
}

function valueAt(points: readonly Point[], share: number): number {
  const sorted = points.map(({ value }) => value).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * share)] ?? 0;
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return 0;
  const upper = sorted[Math.floor(middle)] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
