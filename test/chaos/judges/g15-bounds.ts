import { groupBy, type History } from "../history/history.ts";
import { Case, type Judge } from "./judge.ts";
import { nonceOf } from "./nonce.ts";

/** An agent whose lanes hold few. */
export const NARROW = "narrow";
export const NARROW_WAITING = 4;

/** A service of this load stays below half of it; what grows without bound passes it in time. */
const MAX_RESIDENT_BYTES = 768 * 2 ** 20;
/** The default of a lane. */
const MAX_WAITING = 128;

/** Memory and depth stay within bounds, and a bound's error names it. */
export const bounded: Judge = (history) => {
  const about = new Case("G15", "samples of memory and depth, and refusals that named their bound");
  for (const { at, value } of history.seen("sample")) {
    about.count();
    const { process, residentBytes, waitingTurns } = value;
    if (residentBytes > MAX_RESIDENT_BYTES) {
      const mib = Math.round(residentBytes / 2 ** 20);
      about.find("", at, `${process} holds ${mib} MiB`);
    }
    if (waitingTurns > MAX_WAITING) about.find("", at, `${waitingTurns} turns wait in a lane`);
  }
  for (const { refused, end } of history.calls("turn")) {
    if (refused?.reason !== "QUEUE_FULL") continue;
    if (Object.values(refused.metadata).some((value) => /^\d+$/.test(value))) about.count();
    else about.find("", end, "QUEUE_FULL does not name its bound");
  }
  judgeNarrowLanes(history, about);
  return about.verdict;
};

/**
 * By what clients and the model saw: of the turns that were told to be accepted by then, those whose
 * reply had not been begun were waiting, but for the one that held the lane.
 */
function judgeNarrowLanes(history: History, about: Case): void {
  const asked = new Map(history.seen("asked").map(({ at, value }) => [value.nonce, at]));
  const begun = new Map<string, number>();
  for (const { turnId, reply } of history.values("finalTurn")) {
    const at = asked.get(nonceOf(reply) ?? "");
    if (at !== undefined) begun.set(turnId, at);
  }
  const told = history
    .answered("turn")
    .filter(({ answer }) => answer.key.startsWith(`agent:${NARROW}:`) && begun.has(answer.turnId));
  for (const lane of groupBy(told, ({ ask, answer }) => `${ask.tenant} ${answer.key}`).values()) {
    for (const { end, answer } of lane) {
      const accepted = new Set(lane.filter((op) => op.end <= end).map((op) => op.answer.turnId));
      const waiting = [...accepted].filter((turnId) => (begun.get(turnId) ?? 0) > end).length - 1;
      if (waiting > NARROW_WAITING) {
        about.find(answer.key, end, `${waiting} turns wait in a lane of ${NARROW_WAITING}`);
      }
    }
    about.count();
  }
}
