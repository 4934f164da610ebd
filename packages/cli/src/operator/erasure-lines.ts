import { type Erasure, ErasureState } from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import { time } from "./session-lines.ts";

/** An erasure in one line. */
export function erasureLine(erasure: Erasure): string {
  const { erasureId, keys, createTime, principal, note } = erasure;
  const [own] = keys;
  const what = own === undefined ? "" : `  ${own.sessionKey}${othersText(keys.length - 1)}`;
  const by = principal === "" ? "" : ` by ${principal}`;
  const why = note === "" ? "" : `: ${note}`;
  return `${time(createTime)}  ${erasureId}${what}  ${progressText(erasure)}${by}${why}`;
}

/** How far it is, and who has still to say that nothing is left. */
export function progressText(erasure: Erasure): string {
  const names = erasure.returned ? ", key and names stay: somebody has come back" : "";
  if (erasure.state === ErasureState.ERASED) return `erased ${time(erasure.endTime)}${names}`;
  const waits = !erasure.settled
    ? "what may have been under way is waited for"
    : `waits for ${waitsFor(erasure)}`;
  return `being removed (${waits}${names})`;
}

function waitsFor({ runnerTime, deliveryTime }: Erasure): string {
  if (runnerTime === undefined) return "the runner";
  return deliveryTime === undefined ? "delivery" : "session-identity";
}

function othersText(count: number): string {
  if (count <= 0) return "";
  return count === 1 ? " and another key" : ` and ${count} other keys`;
}
