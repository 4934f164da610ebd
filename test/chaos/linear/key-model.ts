import type { Op } from "../history/history.ts";
import { begin } from "./begin.ts";
import { type KeyState, NOBODY, told } from "./key-state.ts";
import { rotate } from "./rotate.ts";
import { write } from "./write.ts";

/** The calls on one key that the model explains. */
export type KeyOp = Op<"resolve"> | Op<"rotate"> | Op<"begin"> | Op<"write">;

/** Refusals that say nothing about the key: too much at once. */
const OVERLOADED = new Set(["RATE_LIMITED", "QUOTA"]);

/**
 * What the key's state becomes where this call takes effect here and is answered as it was; empty where
 * the contract allows no such answer. A call of unknown outcome gives what it would have done.
 */
export function stepKey(state: KeyState, op: KeyOp): readonly KeyState[] {
  if (op.outcome === "fail" && OVERLOADED.has(op.refused?.reason ?? "")) return [state];
  if (op.f === "resolve") return resolve(state, op as Op<"resolve">);
  if (state.generation === 0) return op.refused?.reason === "NOT_FOUND" ? [state] : [];
  if (op.f === "rotate") return rotate(state, op as Op<"rotate">);
  if (op.f === "begin") return begin(state, op as Op<"begin">);
  return write(state, op as Op<"write">);
}

/** First contact mints; whoever comes later joins, and is never refused. */
function resolve(state: KeyState, { outcome, answer }: Op<"resolve">): readonly KeyState[] {
  const standing = state.generation === 0 ? { ...NOBODY, generation: 1 } : state;
  if (outcome === "info") return state.generation === 0 ? [standing] : [];
  if (answer === undefined) return [];
  const { generation, epoch, sessionId } = answer;
  if (generation !== standing.generation || epoch !== standing.epoch) return [];
  const known = told(standing, sessionId);
  return known === undefined ? [] : [known];
}
