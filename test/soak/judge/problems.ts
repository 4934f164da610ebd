import type { SoakRecord } from "../record.ts";
import type { Judged } from "./flat.ts";
import { numberOf } from "../report/lines.ts";

/** Of the turns: a kill may make a caller's own attempt fail for good, but hardly ever. */
const MOST_REFUSED_SHARE = 0.01;

/** Moments in which the machine stood still. */
const MOST_HELD_BACK_SHARE = 0.05;

/** What a run may not end with, in words. */
export function problemsOf(record: SoakRecord, judged: readonly Judged[]): string[] {
  const { outcome, rotations, undelivered } = record;
  const { lost, asked, heldBack } = outcome;
  const refused = Object.values(outcome.refused).reduce((sum, count) => sum + count, 0);
  const missing = ["daily", "compaction"].filter((reason) => (rotations[reason] ?? 0) === 0);
  const broken = judged.filter(({ ruling }) => ruling === "BROKE OFF");
  return [
    ...judged.filter(({ ruling }) => ruling === "GROWS").map(grown),
    ...missing.map((reason) => `not exercised: no session was rotated for ${reason}`),
    ...broken.map(({ series }) => `not measured to the end: ${series.group}: ${series.name}`),
    ...(heldBack > asked * MOST_HELD_BACK_SHARE
      ? [`the load was not steady: ${heldBack} turns were not asked for, the machine is too slow`]
      : []),
    ...(lost > 0 ? [`${lost} turns of which nobody knows`] : []),
    ...(undelivered > 0 ? [`${undelivered} replies that did not arrive`] : []),
    ...(refused > asked * MOST_REFUSED_SHARE
      ? [`${refused} turns refused: ${JSON.stringify(outcome.refused)}`]
      : []),
  ];
}

function grown({ series, growth, allowed, median }: Judged): string {
  const most = numberOf(allowed ?? 0);
  return `GROWS: ${series.group}: ${series.name} by ${numberOf(growth)} at ${numberOf(median)}; at most ${most}`;
}
