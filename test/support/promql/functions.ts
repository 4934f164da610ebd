import { type Labels, labelsId, type Sample } from "./scrapes.ts";

/** One element of an instant vector. */
export interface Element {
  readonly labels: Labels;
  readonly value: number;
}

/**
 * What a counter grew by over a range, as Prometheus has it: between the samples that it has, set in
 * proportion to the range. A counter that appears with its first increment has grown by nothing: what was
 * before it nobody knows. https://prometheus.io/docs/prometheus/latest/querying/functions/#increase
 */
export function increaseOf(samples: readonly Sample[], rangeSeconds: number): number | undefined {
  const [first] = samples;
  const last = samples.at(-1);
  if (first === undefined || last === undefined || first === last) return undefined;
  let grown = 0;
  for (const [index, { value }] of samples.entries()) {
    const before = samples[index - 1]?.value ?? value;
    // A counter that falls has begun anew.
    grown += value >= before ? value - before : value;
  }
  return (grown * rangeSeconds) / (last.atSeconds - first.atSeconds);
}

/** https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile */
export function histogramQuantiles(quantile: number, buckets: readonly Element[]): Element[] {
  const groups = new Map<string, { labels: Labels; buckets: { le: number; count: number }[] }>();
  for (const { labels, value } of buckets) {
    const { le = "", ...rest } = labels;
    const id = labelsId(rest);
    const group = groups.get(id) ?? { labels: rest, buckets: [] };
    group.buckets.push({ le: le === "+Inf" ? Infinity : Number(le), count: value });
    groups.set(id, group);
  }
  return [...groups.values()].map((group) => ({
    labels: group.labels,
    value: quantileOf(
      quantile,
      group.buckets.sort((a, b) => a.le - b.le),
    ),
  }));
}

function quantileOf(
  quantile: number,
  buckets: readonly { readonly le: number; readonly count: number }[],
): number {
  const total = buckets.at(-1)?.count ?? 0;
  if (total === 0) return Number.NaN;
  const rank = quantile * total;
  const index = buckets.findIndex(({ count }) => count >= rank);
  const bucket = buckets[index];
  if (bucket === undefined) return Number.NaN;
  const below = buckets[index - 1] ?? { le: 0, count: 0 };
  // Past the last bound nobody knows how far.
  if (bucket.le === Infinity) return below.le;
  return below.le + ((bucket.le - below.le) * (rank - below.count)) / (bucket.count - below.count);
}
