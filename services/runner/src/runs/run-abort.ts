import type { Stop } from "../store/turn-row.ts";

/** Why a run stops working before its model has answered. */
export type AbortCause =
  /** A caller, an operator or a later turn wants the turn to end. */
  | { readonly kind: "stopped"; readonly stop: Stop; readonly note: string }
  /** Rotated away by somebody else: the turn ends, and nothing of it is kept. */
  | { readonly kind: "superseded" }
  /** The key was merged into another while the run held it. */
  | { readonly kind: "moved" }
  /** Another run holds the turn: this one touches nothing any more. */
  | { readonly kind: "lost" }
  /** Session-identity could not be asked for as long as the lease lives: back to the queue. */
  | { readonly kind: "lease_over" }
  /** The store could not be asked in the middle of the work: back to the queue. */
  | { readonly kind: "store_gone" }
  /** The process ends: back to the queue. */
  | { readonly kind: "draining" };

/** The reason of a run's abort signal. */
export class RunAborted extends Error {
  override readonly name = "RunAborted";
  readonly abortCause: AbortCause;

  constructor(abortCause: AbortCause) {
    super(`the run was stopped: ${abortCause.kind}`);
    this.abortCause = abortCause;
  }
}

/** Why the signal was aborted; undefined while it was not. */
export function abortCauseOf(signal: AbortSignal): AbortCause | undefined {
  if (!signal.aborted) return undefined;
  const reason: unknown = signal.reason;
  return reason instanceof RunAborted ? reason.abortCause : { kind: "draining" };
}
