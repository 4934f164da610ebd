import type { KeyState, StandingKey } from "./key-state.ts";
import type { Birth, EventRecord, Fence, ReplyRecord, Rotation, RunRecord } from "./records.ts";
import type { CurrentFence, Refusal } from "./refusal.ts";

/** One line of the journal, as far as the decision knows it; who called is added by the engine. */
export interface JournalDraft {
  readonly operation: string;
  /** Empty for what was simply done; a rotation's or a reply's outcome has a word of its own. */
  readonly reason?: string;
  readonly sessionId?: string;
  readonly generation?: bigint;
  readonly turnId?: string;
  readonly deliveryId?: string;
  readonly rawKey?: string;
  readonly shown?: Fence;
  readonly current?: CurrentFence;
  readonly note?: string;
}

/** What an accepted command changes. */
export interface Effects {
  /** The row as it stands afterwards; absent: unchanged. */
  readonly state?: KeyState;
  /** Whether watchers are told of the new row. A heartbeat changes the row and tells nobody. */
  readonly told?: boolean;
  /** A run that begins: its id must be new. */
  readonly newRuns?: readonly RunRecord[];
  /** Runs whose right changed. */
  readonly runs?: readonly RunRecord[];
  readonly events?: readonly EventRecord[];
  /** A reply's first event: its delivery id must be new. */
  readonly newReplies?: readonly ReplyRecord[];
  readonly replies?: readonly ReplyRecord[];
  readonly generations?: readonly (Rotation | Birth)[];
  readonly journal?: readonly JournalDraft[];
}

export type Decision<Answer> =
  | { readonly answer: Answer; readonly effects: Effects }
  /** Without `journal` only the caller is told. */
  | { readonly refusal: Refusal; readonly journal?: JournalDraft };

const NOTHING: Effects = {};

/** An answer that changes nothing, such as a repeat's. */
export function answered<Answer>(answer: Answer, effects: Effects = NOTHING): Decision<Answer> {
  return { answer, effects };
}

/** The engine's words for the moment of a decision. */
export interface Now {
  /** The database's clock, after the row was locked. */
  readonly ms: number;
  /** pg_postmaster_start_time: no lease expires within one lease of it. */
  readonly postmasterStartMs: number;
}

export function currentFence(state: StandingKey): CurrentFence {
  const { session } = state;
  return {
    sessionKey: state.sessionKey,
    sessionId: session.sessionId,
    generation: session.generation,
    runId: session.activeRun?.runId ?? "",
    runEpoch: session.runEpoch,
  };
}
