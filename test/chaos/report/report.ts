import { madeFaults } from "../faults/made.ts";
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

/** What the record does not have. */
export interface About {
  /** The command that repeats the run. */
  readonly repeat: string;
  /** The kinds of faults that were to be made. */
  readonly kinds: readonly string[];
}

/** What a run comes to, for people. */
export function reportLines(
  history: History,
  verdicts: readonly Verdict[],
  about: About,
): string[] {
  const broken = verdicts.filter(({ findings }) => findings.length > 0);
  return [
    ...["", "operations", ...operationLines(history), ...defectLines(history)],
    ...turnLines(history),
    ...["", "faults", ...faultLines(history, about.kinds)],
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

/** What was asked for, under however many repeats, and what stands of it at the end. */
function turnLines(history: History): string[] {
  const asked = new Set(history.calls("turn").map(({ ask }) => `${ask.tenant} ${ask.idempotency}`));
  const ended = [...groupBy(history.values("finalTurn"), ({ state }) => state)];
  const states = ended.map(([state, turns]) => `${turns.length} ${state}`).join(", ");
  const keys = new Set(history.values("finalTurn").map(({ tenant, key }) => `${tenant} ${key}`));
  return [
    `  ${asked.size} turns were asked for; ${states || "none"} at the end, under ${keys.size} keys`,
  ];
}

/** A reason that is not in the table of errors is a defect, whatever was broken. */
function defectLines(history: History): string[] {
  const defects = history.ops.filter(({ unknown = "" }) => unknown.startsWith("INTERNAL"));
  return defects.length === 0
    ? []
    : [`  ${defects.length} answers were INTERNAL: the logs beside the record tell more`];
}

/** Targets of one kind that are written out. */
const MOST_TARGETS = 4;

/** A kind that was never begun, or hit nothing each time, was not exercised. */
function faultLines(history: History, kinds: readonly string[]): string[] {
  return madeFaults(history, kinds).map(({ kind, targets, hits, unable, isMade }) => {
    if (!isMade) return `  not exercised: ${kind}${unable === undefined ? "" : ` (${unable})`}`;
    const told = [...new Set(targets)];
    const more = told.length > MOST_TARGETS ? ", …" : "";
    const at = `${told.slice(0, MOST_TARGETS).join(", ")}${more}`;
    return `  ${kind}: ${targets.length}${hits === undefined ? "" : `, ${hits} hit`} (${at})`;
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
