import { aligned } from "../../shared/table.ts";
import type { TurnsRow } from "../measures/rows.ts";

const HEAD = [
  "",
  ...["callers", "turns/s", "p50 ms", "p99 ms"],
  ...["concurrency", "inversions", "lost", "duplicated", "CPU s per 1,000 turns"],
];

/** One line for each measurement. */
export function turnsTable(rows: readonly TurnsRow[]): string {
  return aligned([HEAD, ...rows.map(cells)]);
}

function cells({ system, callers, measured, audit, cpu }: TurnsRow): string[] {
  const { concurrency, inversions, lost, duplicated } = audit;
  return [
    system,
    ...[callers, Math.round(measured.perSecond)].map(String),
    ...[measured.p50Ms, measured.p99Ms].map((ms) => ms.toFixed(1)),
    ...[concurrency, inversions, lost, duplicated].map(String),
    cpu === undefined
      ? ""
      : Object.entries(cpu)
          .map(([name, seconds]) => `${name} ${seconds.toFixed(2)}`)
          .join(", "),
  ];
}
