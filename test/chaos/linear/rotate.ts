import type { Op } from "../history/history.ts";
import { type KeyState, told, withRun } from "./key-state.ts";

/** A new generation, once per request id; it ends the right of the run that holds the key. */
export function rotate(state: KeyState, op: Op<"rotate">): readonly KeyState[] {
  const { ask, answer, outcome, refused } = op;
  const { request, expected } = ask;
  const known = state.requests[request];
  const fits = expected === 0 || expected === state.generation;
  if (outcome === "fail") {
    if (refused?.reason === "IDEMPOTENCY_MISMATCH") {
      return known !== undefined && known.expected !== expected ? [state] : [];
    }
    return refused?.reason === "GENERATION_MISMATCH" && known === undefined && !fits ? [state] : [];
  }
  if (known !== undefined) {
    // The recorded answer, whatever happened since.
    return outcome === "ok" && answer?.generation === known.generation ? [state] : [];
  }
  if (!fits) return [];
  const next = rotated(state, request, expected);
  if (answer === undefined) return [next];
  const { previous, generation, endedRun, sessionId } = answer;
  const tellsTrue =
    previous === state.generation && generation === next.generation && endedRun === state.holder;
  if (!tellsTrue) return [];
  const named = told(next, sessionId);
  return named === undefined ? [] : [named];
}

function rotated(state: KeyState, request: string, expected: number): KeyState {
  const generation = state.generation + 1;
  const requests = { ...state.requests, [request]: { generation, expected } };
  const ended =
    state.holder === "" ? state : withRun(state, state.holder, { fate: "rotated" as const });
  return { ...ended, generation, sessionId: "", holder: "", requests };
}
