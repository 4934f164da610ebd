import type { CanonicalKey } from "@lanekeeper/session-key";
import type { RunOutcome } from "./key-state.ts";

/** What a run shows. */
export interface Fence {
  readonly sessionKey: CanonicalKey;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly runId: string;
  readonly runEpoch: bigint;
}

/** What a reply shows. */
export interface ReplyFence {
  readonly sessionKey: CanonicalKey;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly turnId: string;
  readonly deliveryId: string;
}

/** How a run ended, in its own words. */
export interface Ending {
  readonly outcome: RunOutcome;
  readonly errorReason: string;
  readonly errorMessage: string;
  readonly inputTokens: bigint;
  readonly outputTokens: bigint;
}

/** What a lifecycle write is answered, now and at every repeat. */
export interface WriteAnswer {
  readonly applied: boolean;
  readonly leaseMs: number;
  readonly revision: bigint;
}

/** `taken_over`, `rotated` and `moved` say what ended the run's right. */
export type RunState = "active" | "ended" | "taken_over" | "rotated" | "moved";

/** A run that ever began. */
export interface RunRecord {
  readonly runId: string;
  readonly sessionKey: CanonicalKey;
  readonly turnId: string;
  readonly epoch: bigint;
  readonly beginGeneration: bigint;
  readonly beginSessionId: string;
  readonly leaseMs: number;
  readonly beginMs: number;
  readonly state: RunState;
  /** For `rotated`: the generation whose beginning ended the run's right. */
  readonly staleGeneration: bigint | undefined;
  /** For `ended`. */
  readonly ending: (Ending & { readonly revision: bigint }) | undefined;
}

export type WriterKind = "run" | "reply";

/** One event that was accepted. */
export interface EventRecord {
  readonly writerKind: WriterKind;
  readonly writerId: string;
  readonly eventSeq: bigint;
  readonly sessionKey: CanonicalKey;
  /** Equal for equal content. */
  readonly fingerprint: string;
  readonly answer: WriteAnswer;
  readonly createMs: number;
}

export type SettledState = "sent" | "failed" | "unknown" | "suppressed_stale";

/** Where a reply stands. */
export interface ReplyRecord {
  readonly deliveryId: string;
  readonly sessionKey: CanonicalKey;
  readonly generation: bigint;
  readonly turnId: string;
  readonly state: "sending" | SettledState;
  /** Whether a send was ever claimed: if so it may have arrived, whatever came after. */
  readonly claimed: boolean;
  readonly attempt: number;
  readonly providerMessageId: string;
  readonly errorMessage: string;
  readonly updateMs: number;
}

export type RotationReason =
  | "reset"
  | "compaction"
  | "idle"
  | "daily"
  | "restore"
  | "fork"
  | "replay"
  | "migration";

export type QueuedTurns = "carry" | "skip";
export type PendingReplies = "deliver" | "suppress";

/** One change of generation. */
export interface Rotation {
  readonly sessionKey: CanonicalKey;
  readonly agentId: string;
  readonly previousSessionId: string;
  readonly previousGeneration: bigint;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly reason: RotationReason;
  readonly parentSessionId: string | undefined;
  readonly parentThroughTurnId: string;
  readonly principal: string;
  readonly note: string;
  readonly createMs: number;
  readonly queuedTurns: QueuedTurns;
  readonly pendingReplies: PendingReplies;
  readonly perhapsSentCount: number;
}

/** The first session of a key: nobody stood there before. */
export interface Birth {
  readonly sessionKey: CanonicalKey;
  readonly agentId: string;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly principal: string;
  readonly note: string;
  readonly createMs: number;
}
