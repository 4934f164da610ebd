import { LIMITS } from "../limits.ts";
import type { KeyState } from "./key-state.ts";

/**
 * Whether a key may go before whoever is told of its session now has come to use it: one that is being erased, or
 * was minted and has nearly come to the end of its retention.
 */
export function goesSoon(
  { keptUntilMs, erasureId }: Pick<KeyState, "keptUntilMs" | "erasureId">,
  nowMs: number,
): boolean {
  return erasureId !== undefined || isNearItsEnd(keptUntilMs, nowMs);
}

/**
 * The same key, and one that would go soon kept for who uses it now: no erasure takes it away any more, and what was
 * minted stays for twice as long as somebody may take, so that it is written once.
 */
export function keptForUse<State extends KeyState>(state: State, nowMs: number): State {
  if (!goesSoon(state, nowMs)) return state;
  const { keptUntilMs } = state;
  const until = isNearItsEnd(keptUntilMs, nowMs) ? nowMs + 2 * LIMITS.mintedGraceMs : keptUntilMs;
  return { ...state, erasureId: undefined, keptUntilMs: until };
}

function isNearItsEnd(keptUntilMs: number | undefined, nowMs: number): boolean {
  return keptUntilMs !== undefined && keptUntilMs < nowMs + LIMITS.mintedGraceMs;
}
