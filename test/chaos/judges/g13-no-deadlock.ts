import { Case, type Judge } from "./judge.ts";
import { TERMINAL } from "./g05-one-end.ts";

/** After healing everything ends within this; a wait that closed a cycle of lanes would not. */
export const DRAIN_BOUND_MS = 60_000;

/** Sends that would close a cycle of lanes are refused: none of them waits for ever. */
export const noDeadlock: Judge = (history) => {
  const about = new Case(
    "G13",
    "turns whose nested sends would have closed a cycle, and which ended",
  );
  const finals = new Map(history.values("finalTurn").map((turn) => [turn.turnId, turn]));
  for (const { ask, answer, end } of history.calls("turn")) {
    if (!ask.nested || answer === undefined) continue;
    const state = finals.get(answer.turnId)?.state ?? answer.state;
    if (TERMINAL.has(state)) about.count();
    else about.find(answer.key, end, `the nested turn ${answer.turnId} is ${state} for ever`);
  }
  for (const { at, value } of history.seen("drained")) {
    for (const key of value.waiting) {
      about.find(
        key,
        at,
        `${key} still has work ${Math.round(value.tookMs / 1_000)} s after healing`,
      );
    }
  }
  return about.verdict;
};
