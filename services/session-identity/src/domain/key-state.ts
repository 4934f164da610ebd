import type { CanonicalKey } from "@lanekeeper/session-key";

export type TurnClass = "person" | "system";

export type RunOutcome = "completed" | "failed" | "interrupted" | "cancelled" | "requeued";

/** The run that holds a key. Times are milliseconds of the database's clock. */
export interface ActiveRun {
  readonly runId: string;
  readonly turnId: string;
  readonly turnClass: TurnClass;
  readonly epoch: bigint;
  /** The lowest generation that this run has held; those up to the current one are its own. */
  readonly beginGeneration: bigint;
  readonly lastEventSeq: bigint;
  readonly leaseMs: number;
  readonly leaseExpireMs: number;
  readonly startMs: number;
  readonly heartbeatMs: number;
  /** Empty until the run said it. */
  readonly model: string;
}

/** A run that no longer holds its key, as far as it is shown. */
export interface PastRun {
  readonly runId: string;
  readonly turnId: string;
  readonly epoch: bigint;
  readonly startMs: number;
  readonly heartbeatMs: number;
  readonly endMs: number;
  readonly outcome: RunOutcome;
  readonly errorReason: string;
  readonly errorMessage: string;
  readonly model: string;
}

/** The session that stands under a key. */
export interface Standing {
  readonly sessionId: string;
  readonly generation: bigint;
  readonly parentSessionId: string | undefined;
  /** Epoch of the last run that took the key; never falls. */
  readonly runEpoch: bigint;
  readonly activeRun: ActiveRun | undefined;
  /** Of this generation only. */
  readonly lastRun: PastRun | undefined;
  /** Queued turns that were admitted under an earlier generation may no longer start. */
  readonly oldestRunnable: bigint;
  /** Replies that were committed under an earlier generation may no longer go out. */
  readonly oldestDeliverable: bigint;
  readonly createMs: number;
  readonly rotateMs: number;
  /** When a person last spoke or was last answered; undefined before the first. */
  readonly personMs: number | undefined;
  /** Whether this generation has a history that a rollover would end. */
  readonly used: boolean;
}

/** A session of another key that was merged into this one while it was young. */
export interface Absorbed {
  readonly sessionId: string;
  /** The session that stood here then, whose transcript takes up the other's. */
  readonly intoSessionId: string;
}

export const NONE_ABSORBED: readonly Absorbed[] = [];

/** One key's row. */
export interface KeyState {
  readonly tenant: string;
  readonly sessionKey: CanonicalKey;
  readonly agentId: string;
  /** Grows by 1 at each change that watchers are told of. */
  readonly revision: bigint;
  /** Fenced as any other, never listed, watched or told of. */
  readonly internal: boolean;
  readonly aliasOf: CanonicalKey | undefined;
  /** The key that this one was merged into. */
  readonly movedTo: CanonicalKey | undefined;
  /** Oldest merge first. */
  readonly absorbed: readonly Absorbed[];
  readonly ruleSetVersion: number;
  readonly source: string;
  readonly bindMs: number;
  /** Of a key that the system minted: until then it stays at least. Undefined: it stays for ever. */
  readonly keptUntilMs: number | undefined;
  /** The erasure that takes the key away, unless somebody comes back to it before. */
  readonly erasureId: string | undefined;
  readonly session: Standing | undefined;
}

/** A row whose session is there. */
export type StandingKey = KeyState & { readonly session: Standing };

export function hasSession(state: KeyState | undefined): state is StandingKey {
  return state?.session !== undefined;
}

/** The same row with some of its session's values changed. */
export function withSession(state: StandingKey, change: Partial<Standing>): StandingKey {
  return { ...state, session: { ...state.session, ...change } };
}

/** What of a session a run changes that begins or ends. */
export type RunChange = Pick<Standing, "runEpoch" | "activeRun" | "lastRun" | "personMs" | "used">;

/**
 * The same row, one revision on, with what a run has changed by its begin or end. Each object is made in one piece,
 * since every turn does this twice and V8 takes longest for objects that are put together from several.
 */
export function changedByRun(state: StandingKey, change: RunChange): StandingKey {
  const { session } = state;
  return {
    tenant: state.tenant,
    sessionKey: state.sessionKey,
    agentId: state.agentId,
    revision: state.revision + 1n,
    internal: state.internal,
    aliasOf: state.aliasOf,
    movedTo: state.movedTo,
    absorbed: state.absorbed,
    ruleSetVersion: state.ruleSetVersion,
    source: state.source,
    bindMs: state.bindMs,
    keptUntilMs: state.keptUntilMs,
    erasureId: state.erasureId,
    session: {
      sessionId: session.sessionId,
      generation: session.generation,
      parentSessionId: session.parentSessionId,
      runEpoch: change.runEpoch,
      activeRun: change.activeRun,
      lastRun: change.lastRun,
      oldestRunnable: session.oldestRunnable,
      oldestDeliverable: session.oldestDeliverable,
      createMs: session.createMs,
      rotateMs: session.rotateMs,
      personMs: change.personMs,
      used: change.used,
    },
  };
}

/** The same row, one revision on: what watchers are told of. */
export function revised(state: StandingKey): StandingKey {
  return { ...state, revision: state.revision + 1n };
}
