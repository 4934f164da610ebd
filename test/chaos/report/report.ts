import { groupBy, type History } from "../history/history.ts";
import { GUARANTEES, type Verdict } from "../judges/judge.ts";

/** Findings of one guarantee that are written out; the rest is counted. */
const MOST_TOLD = 5;

/** A guarantee without evidence was not exercised. */
export type Ruling = "held" | "BROKEN" | "not exercised";

export function rulingOf({ evidence, findings }: Verdict): Ruling {
  if (findings.length > 0) return "BROKEN";
  return evidence > 0 ? "held" : "not exercised";
}

/** What a run comes to, for people. */
export function reportLines(
  history: History,
  verdicts: readonly Verdict[],
  about: { readonly repeat: string; readonly notMade: readonly string[] },
): string[] {
  const broken = verdicts.filter(({ findings }) => findings.length > 0);
  return [
    ...["", "operations", ...operationLines(history), ...defectLines(history)],
    ...[
      "",
      "faults",
      ...faultLines(history),
      ...about.notMade.map((fault) => `  not exercised: ${fault}`),
    ],
    ...["", "guarantees", ...verdictLines(verdicts)],
    ...broken.flatMap(findingLines),
    ...[
      "",
      broken.length === 0 ? "nothing was found broken" : "BROKEN",
      `repeat with: ${about.repeat}`,
    ],
  ];
}

function operationLines(history: History): string[] {
  return [...groupBy(history.ops, ({ f }) => f)].map(([f, ops]) => {
    const count = (outcome: string) => ops.filter((op) => op.outcome === outcome).length;
    const counts = `${count("ok")} ok, ${count("fail")} refused, ${count("info")} unknown`;
    return `  ${f.padEnd(10)} ${counts}`;
  });
}

/** A reason that is not in the table of errors is a defect, whatever was broken. */
function defectLines(history: History): string[] {
  const defects = history.ops.filter(({ unknown = "" }) => unknown.startsWith("INTERNAL"));
  return defects.length === 0
    ? []
    : [`  ${defects.length} answers were INTERNAL: the logs beside the record tell more`];
}

function faultLines(history: History): string[] {
  const begun = history.values("fault").filter(({ state }) => state === "begin");
  return [...groupBy(begun, ({ kind }) => kind)].map(([kind, all]) => {
    return `  ${kind}: ${all.length} (${all.map(({ target }) => target).join(", ")})`;
  });
}

function verdictLines(verdicts: readonly Verdict[]): string[] {
  const order = GUARANTEES.flatMap((name) =>
    verdicts.filter(({ guarantee }) => guarantee === name),
  );
  return order.map((verdict) => {
    const ruling = rulingOf(verdict);
    const { guarantee, evidence, counted } = verdict;
    return `  ${guarantee.padEnd(4)} ${ruling.padEnd(14)} ${String(evidence).padStart(6)} ${counted}`;
  });
}

function findingLines({ guarantee, findings }: Verdict): string[] {
  const told = findings.slice(0, MOST_TOLD).map(({ key, at, what }) => {
    return `  ${guarantee} at ${(at / 1_000).toFixed(3)} s${key === "" ? "" : ` ${key}`}: ${what}`;
  });
  const rest = findings.length - told.length;
  return ["", ...told, ...(rest > 0 ? [`  and ${rest} more of ${guarantee}`] : [])];
}
