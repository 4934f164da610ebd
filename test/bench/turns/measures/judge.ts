import { spreadOf } from "../../shared/ratios.ts";
import { milliseconds, perSecond, type Row } from "../../shared/row.ts";
import type { Callers } from "../sizes.ts";
import type { TurnsRow } from "./rows.ts";

/** The targets that the rows are judged by. */
export function judgeRows(rows: readonly TurnsRow[]): readonly Row[] {
  const rates = (system: TurnsRow["system"], callers: Callers) =>
    pick(rows, system, callers).map(({ measured }) => measured.perSecond);
  const p50s = (system: TurnsRow["system"]) =>
    pick(rows, system, 1).map(({ measured }) => measured.p50Ms);
  const best = ([1, 8, 64] as const)
    .map((callers) => spreadOf(rates("graphile-worker", callers)).median)
    .reduce((a, b) => Math.max(a, b));
  const ours64 = rates("lanekeeper", 64);
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
      ours: milliseconds(spreadOf(p50s("lanekeeper")).median),
      baseline: milliseconds(theirP50),
      judged: spreadOf(p50s("lanekeeper").map((ms) => ms / theirP50)),
      unit: "x",
      goal: { atMost: 4 },
    },
    ...judgeAudits(rows.filter(({ system }) => system === "lanekeeper")),
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
