import { type Round, type Spread, spreadOf } from "./ratios.ts";

export type Goal = { readonly atLeast: number } | { readonly atMost: number };

/** "": a count. */
export type Unit = "x" | "MiB" | "";

/** One line of the table. The median of `judged` meets the goal or misses it. */
export interface Row {
  readonly what: string;
  readonly ours: string;
  readonly baseline: string;
  readonly judged: Spread;
  readonly unit: Unit;
  readonly goal: Goal;
}

/** A row about how ours compares with the baseline. `show` writes one measurement, with its unit. */
export function comparison(
  what: string,
  rounds: readonly Round[],
  goal: Goal,
  show: (value: number) => string,
): Row {
  const medianOf = (pick: (round: Round) => number) => show(spreadOf(rounds.map(pick)).median);
  return {
    ...{ what, goal, unit: "x" },
    ours: medianOf(({ ours }) => ours),
    baseline: medianOf(({ baseline }) => baseline),
    judged: spreadOf(rounds.map(({ ours, baseline }) => ours / baseline)),
  };
}

export function isMet({ judged, goal }: Row): boolean {
  return "atLeast" in goal ? judged.median >= goal.atLeast : judged.median <= goal.atMost;
}

export function perSecond(value: number): string {
  return `${Math.round(value).toLocaleString("en")}/s`;
}

export function milliseconds(value: number): string {
  return `${value.toFixed(3)} ms`;
}

export function mebibytes(value: number): string {
  return `${value.toFixed(0)} MiB`;
}
