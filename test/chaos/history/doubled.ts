import type { History, Op } from "./history.ts";

/** The fault by which calls come twice. */
export const DOUBLED = "doubled requests";

/**
 * Whether a call may have come twice. Its caller heard one answer; where that was a refusal for a reason
 * that passes, such as a busy key, the other one may have taken effect since.
 */
export function mayBeDoubled(history: History): (op: Op) => boolean {
  const spans = history.seen("fault").flatMap(({ at, value }) => {
    if (value.kind !== DOUBLED || value.state !== "begin") return [];
    const end = history
      .seen("fault")
      .find((one) => one.at >= at && one.value.kind === DOUBLED && one.value.state === "end");
    return [{ start: at, end: end?.at ?? Infinity }];
  });
  return ({ start, end }) => spans.some((span) => start <= span.end && end >= span.start);
}
