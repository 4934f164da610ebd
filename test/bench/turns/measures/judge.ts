import { spreadOf } from "../../shared/ratios.ts";
import { milliseconds, perSecond, type Row } from "../../shared/row.ts";
import type { Callers } from "../sizes.ts";
import type { TurnsRow } from "./rows.ts";

/** The targets that the rows are judged by. */
export function judgeRows(rows: readonly TurnsRow[]): readonly Row[] {
  const ours = rows.filter(({ system }) => system === "lanekeeper");
  return [...againstGraphile(rows, "lanekeeper"), ...judgeAudits(ours)];
}

/** What may be asked of a system's speed. */
export function againstGraphile(
  rows: readonly TurnsRow[],
  system: Exclude<TurnsRow["system"], "graphile-worker">,
): readonly Row[] {
  const rates = (of: TurnsRow["system"], callers: Callers) =>
    pick(rows, of, callers).map(({ measured }) => measured.perSecond);
  const p50s = (of: TurnsRow["system"]) => pick(rows, of, 1).map(({ measured }) => measured.p50Ms);
  const best = ([1, 8, 64] as const)
    .map((callers) => spreadOf(rates("graphile-worker", callers)).median)
    .reduce((a, b) => Math.max(a, b));
  const ours64 = rates(system, 64);
  const theirP50 = spreadOf(p50s("graphile-worker")).median;
  return [
    {
      what: "turns/s, 64 callers, against graphile-worker's best row",
      ours: perSecond(spreadOf(ours64).median),
      baseline: perSecond(best),
      judged: spreadOf(ours64.map((rate) => rate / best)),
      unit: "x",
      goal: { atLeast: 2 },
    },
    {
      what: "p50, one caller, against graphile-worker's",
      ours: milliseconds(spreadOf(p50s(system)).median),
      baseline: milliseconds(theirP50),
      judged: spreadOf(p50s(system).map((ms) => ms / theirP50)),
      unit: "x",
      goal: { atMost: 4 },
    },
  ];
}

function pick(rows: readonly TurnsRow[], system: TurnsRow["system"], callers: Callers) {
  return rows.filter((row) => row.system === system && row.callers === callers);
}

/** The worst of all rows counts. */
function judgeAudits(rows: readonly TurnsRow[]): readonly Row[] {
  const worst = (what: string, atMost: number, pickOne: (row: TurnsRow) => number): Row => {
    const values = rows.map(pickOne);
    const max = Math.max(...values);
    const judged = { min: Math.min(...values), median: max, max };
    return { what, ours: String(max), baseline: "", judged, unit: "", goal: { atMost } };
  };
  return [
    worst("runs of a key at the same time", 1, ({ audit }) => audit.concurrency),
    worst("order inversions", 0, ({ audit }) => audit.inversions),
    worst("turns lost", 0, ({ audit }) => audit.lost),
    worst("turns duplicated", 0, ({ audit }) => audit.duplicated),
  ];
}
