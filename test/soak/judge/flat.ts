import type { Series } from "../samples/samples.ts";
import { type Trend, trendOf } from "./trend.ts";
import { TOLERANCES } from "./tolerances.ts";

export interface Judged extends Trend {
  readonly series: Series;
  /** What it may have grown by; undefined: it is not judged. */
  readonly allowed: number | undefined;
  readonly ruling: "flat" | "GROWS" | "BROKE OFF" | "not judged";
}

/** Of the later half; below it a line through them says nothing. */
const LEAST_SAMPLES = 12;

/** A process of which a kill makes another is not one whose memory can be followed. */
const KILLED = /-2$/;

/** Judges each series over the later half of a run of so many seconds. A pure function. */
export function judgeFlatness(all: readonly Series[], seconds: number): readonly Judged[] {
  return all.map((series) => judge(series, seconds));
}

function judge(series: Series, seconds: number): Judged {
  const trend = trendOf(series.points, seconds / 2, seconds);
  const tolerance = TOLERANCES[series.group];
  if (tolerance === undefined || (tolerance.livesOn === true && KILLED.test(series.name))) {
    return { ...trend, series, allowed: undefined, ruling: "not judged" };
  }
  const allowed = Math.abs(trend.median) * tolerance.share + tolerance.least;
  if (trend.samples < LEAST_SAMPLES) {
    const [first] = series.points;
    const began = first !== undefined && first.atSeconds < seconds / 2;
    return { ...trend, series, allowed, ruling: began ? "BROKE OFF" : "not judged" };
  }
  return { ...trend, series, allowed, ruling: trend.growth > allowed ? "GROWS" : "flat" };
}
