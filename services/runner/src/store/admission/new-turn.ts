import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { Origin } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { ChildTurn } from "../nested/child-turns.ts";

/** A turn to be admitted, checked and with its agent known. */
export interface NewTurn {
  readonly tenant: string;
  readonly principal: string;
  readonly turnId: string;
  readonly agentId: string;
  /** Undefined: stateless. */
  readonly session:
    | { readonly sessionKey: string; readonly sessionId: string; readonly generation: bigint }
    | undefined;
  /** 0n: any. */
  readonly requiredGeneration: bigint;
  readonly turnClass: number;
  /** As asked, or the agent's default; never unspecified. */
  readonly onConflict: number;
  readonly idempotencyKey: string;
  readonly fingerprint: Uint8Array;
  readonly keyIsGenerated: boolean;
  readonly clientRetryCount: number;
  /** How long ago the first try of this retry came; undefined: nobody here knows. */
  readonly firstTryAgeMs?: number | undefined;
  readonly requestId: string;
  readonly traceId: string;
  readonly traceparent: string;
  readonly origin: Origin;
  readonly routeId: string;
  readonly maxWaitMs: number | undefined;
  /** JSON. */
  readonly parameters: string;
  readonly messages: readonly Message[];
  readonly parentTurnId: string | undefined;
  readonly callChain: readonly string[];
  /** The turn of a request from outside that it comes of; undefined: it is such a request's itself. */
  readonly rootTurnId?: string | undefined;
  /** How old a turn may be that this one is coalesced into; undefined: as old as the default has it. */
  readonly debounceMs?: number | undefined;
  /** A full lane makes room for it by dropping its oldest waiting turn. */
  readonly dropsOldest?: boolean | undefined;
  /** Set where a turn's tool sends it. */
  readonly nested?: NestedTurn | undefined;
  /** The turn whose outcome this one tells its session of. */
  readonly childTurnId?: string | undefined;
}

/** What holds for a turn that another one sends. */
export interface NestedTurn {
  /** Of `parentTurnId`: a run that was taken over sends nothing. */
  readonly parentRunId: string;
  /** Of the turn, where it counts. */
  readonly rootTurnId: string;
  /** Of the agent that sends; it holds where that is the root's, whose first send this is. */
  readonly nestedTurnsPerRequest: number;
  /** Its key was minted for it. */
  readonly isMinted: boolean;
  /** Undefined: its outcome is nobody's to hear of. */
  readonly tells: Omit<ChildTurn, "tenant" | "childTurnId"> | undefined;
}

/** A turn of a lane. */
export type NewLaneTurn = NewTurn & { readonly session: NonNullable<NewTurn["session"]> };

/** What a turn is inserted with, besides itself. */
export interface Admission {
  readonly seed: readonly Message[];
  readonly input: readonly Message[];
  /** The run that takes the turn at once where its lane is free; undefined: it waits for a claim. */
  readonly claimRunId: string | undefined;
  readonly replica: string;
  readonly front: boolean;
  readonly mayWait: boolean;
  readonly maxWaiting: number;
}

/** A turn with how it is to be admitted. */
export interface LaneAdmission {
  readonly turn: NewLaneTurn;
  readonly admission: Admission;
}
