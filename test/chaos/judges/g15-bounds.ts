import { Case, type Judge } from "./judge.ts";

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
  return about.verdict;
};
