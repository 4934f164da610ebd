import type { Op } from "../history/history.ts";
import { type KeyState, type RunState, told, withRun } from "./key-state.ts";

/** A run takes the key, from nobody or from a run whose lease is over. A run id begins once. */
export function begin(state: KeyState, op: Op<"begin">): readonly KeyState[] {
  const known = state.runs[op.ask.run];
  if (known !== undefined) return again(state, op, known);
  const { outcome, refused, answer } = op;
  if (outcome === "fail") {
    return refused?.reason === "SESSION_BUSY" && state.holder !== "" ? [state] : [];
  }
  const next = taken(state, op.ask.run);
  if (answer === undefined) return [next];
  const { generation, epoch, takenOver, sessionId } = answer;
  const tellsTrue =
    generation === next.generation && epoch === next.epoch && takenOver === state.holder;
  if (!tellsTrue) return [];
  const named = told(next, sessionId);
  return named === undefined ? [] : [named];
}

function again(state: KeyState, op: Op<"begin">, run: RunState): readonly KeyState[] {
  const { outcome, refused, answer } = op;
  if (outcome === "info") return [];
  if (outcome === "fail") return refused?.reason === REASON[run.fate] ? [state] : [];
  const isFirst = answer?.epoch === run.epoch && answer.generation === run.begun;
  return isFirst && run.fate === "holds" ? [state] : [];
}

/** What a run is told whose right has ended. */
export const REASON = {
  holds: "",
  ended: "RUN_ENDED",
  taken_over: "TAKEN_OVER",
  rotated: "STALE_GENERATION",
} as const;

function taken(state: KeyState, run: string): KeyState {
  const lost = state.holder === "" ? state : withRun(state, state.holder, { fate: "taken_over" });
  const epoch = state.epoch + 1;
  const fresh: RunState = {
    ...{ epoch, begun: state.generation, fate: "holds", outcome: "", lastSeq: 0, written: {} },
  };
  return { ...lost, epoch, holder: run, runs: { ...lost.runs, [run]: fresh } };
}
