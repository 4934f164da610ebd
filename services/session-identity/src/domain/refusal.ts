import type { Reason } from "@lanekeeper/rpc";
import type { ActiveRun } from "./key-state.ts";
import type { Rotation } from "./records.ts";

/** What stands under a key now, told beside STALE_GENERATION and TAKEN_OVER. */
export interface CurrentFence {
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly generation: bigint;
  /** Empty while no run holds the key. */
  readonly runId: string;
  readonly runEpoch: bigint;
}

/** Which rotation ended a right: the one into a generation, or the first after one. */
export type CauseQuery = { readonly into: bigint } | { readonly after: bigint };

/** A decision against a call: nothing is changed by it but the journal. */
export interface Refusal {
  readonly refused: true;
  readonly reason: Reason;
  /** For people; names no values of other tenants. */
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs?: number;
  /** Typed detail of STALE_GENERATION and TAKEN_OVER. `cause` is filled in once it is read. */
  readonly stale?: {
    readonly current: CurrentFence;
    readonly causeQuery?: CauseQuery;
    readonly cause?: Rotation;
  };
  /** Typed detail of SESSION_BUSY. */
  readonly busy?: { readonly holder: ActiveRun; readonly heartbeatAgeMs: number };
}

export function refuse(
  reason: Reason,
  message: string,
  metadata: Readonly<Record<string, string>> = {},
): Refusal {
  return { refused: true, reason, message, metadata };
}

export function isRefusal(value: unknown): value is Refusal {
  return typeof value === "object" && value !== null && "refused" in value;
}
