import type { CanonicalKey } from "@lanekeeper/session-key";
import { LIMITS } from "../limits.ts";
import { hasSession, type KeyState } from "./key-state.ts";

/** A key, and through which of its generations what stands under it is erased; 0: nothing was said there. */
export interface ErasedKey {
  readonly sessionKey: CanonicalKey;
  readonly throughGeneration: bigint;
}

/** One conversation that is erased, as it was stored. Times are milliseconds of the database's clock. */
export interface Erasure {
  readonly tenant: string;
  readonly erasureId: string;
  /** The conversation's own first; none once it has ended. */
  readonly keys: readonly ErasedKey[];
  readonly principal: string;
  readonly note: string;
  /** Replies whose send was claimed when it began. */
  readonly perhapsSentCount: number;
  readonly createMs: number;
  /** When the runner, and when delivery, had nothing of it any more. */
  readonly runnerMs: number | undefined;
  readonly deliveryMs: number | undefined;
  readonly endMs: number | undefined;
  /** Of one that has ended. */
  readonly returned: boolean | undefined;
}

/** What is erased with the key `own`: whatever leads to it, and what was said in what was merged into it. */
export function erasedWith(own: KeyState, pointers: readonly KeyState[]): readonly ErasedKey[] {
  return [own, ...pointers].map(({ sessionKey, session }) => ({
    sessionKey,
    throughGeneration: session?.generation ?? 0n,
  }));
}

/**
 * Whether somebody came back to the key that an erasure is to take away: it was resolved for use or rotated, which
 * takes the erasure's mark away, or has a run. That fences were raised is nobody's return.
 */
export function hasReturned({ erasureId, keys }: Erasure, state: KeyState | undefined): boolean {
  if (state === undefined) return false;
  if (state.erasureId !== erasureId || state.movedTo !== undefined) return true;
  if (!hasSession(state))
    return state.aliasOf !== undefined || (keys[0]?.throughGeneration ?? 0n) > 0n;
  return state.session.activeRun !== undefined || state.session.lastRun !== undefined;
}

/** Whether whatever had read the key before the erasure has ended. */
export function isSettledAt({ createMs }: Erasure, nowMs: number): boolean {
  return nowMs >= createMs + LIMITS.erasureSettleMs;
}
