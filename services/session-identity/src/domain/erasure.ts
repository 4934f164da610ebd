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
 * Whether somebody came back to the key that an erasure is to take away: it was resolved for use, was rotated once
 * more, or has a run. Its first session stands there anew one generation behind what is erased.
 */
export function hasReturned({ erasureId, keys }: Erasure, state: KeyState | undefined): boolean {
  if (state === undefined) return false;
  if (state.erasureId !== erasureId || state.movedTo !== undefined) return true;
  const through = keys[0]?.throughGeneration ?? 0n;
  if (!hasSession(state)) return state.aliasOf !== undefined || through > 0n;
  const { generation, activeRun, lastRun, used } = state.session;
  const isAnew = through > 0n && generation === through + 1n;
  return !isAnew || activeRun !== undefined || lastRun !== undefined || used;
}

/** Whether whatever had read the key before the erasure has ended. */
export function isSettledAt({ createMs }: Erasure, nowMs: number): boolean {
  return nowMs >= createMs + LIMITS.erasureSettleMs;
}
