import { answered, currentFence, type Decision } from "./decision.ts";
import { keptForUse } from "./going.ts";
import { hasSession, type KeyState, revised, type StandingKey } from "./key-state.ts";
import { keptUntil } from "./minted.ts";
import type { Birth } from "./records.ts";

/** First contact: what a key needs for its first session. */
export interface ReserveCommand {
  readonly sessionKey: StandingKey["sessionKey"];
  readonly internal: boolean;
  /** For the journal. */
  readonly rawKey: string;
  /** When the key's id was minted, of a key that the system mints; undefined: of any other, and of its later uses. */
  readonly mintedMs: number | undefined;
}

export interface ReserveFacts {
  readonly nowMs: number;
  /** The row, which the engine made before it locked it. */
  readonly state: KeyState;
  readonly newSessionId: string;
  readonly principal: string;
  /**
   * The floors at which new keys start, raised after a restore from backup, and by each key of the tenant that was
   * erased: a name that comes back goes on behind what it had.
   */
  readonly generationFloor: bigint;
  readonly epochFloor: bigint;
  readonly revisionFloor: bigint;
}

/**
 * `standing`: the session that stands there, whoever of the racers made it. `elsewhere`: the key became an
 * alias or was merged meanwhile, or the name leads to another by now, so it has to be looked up again.
 */
export type ReserveAnswer =
  | { readonly kind: "standing"; readonly state: StandingKey }
  | { readonly kind: "elsewhere" };

export const ELSEWHERE: ReserveAnswer = { kind: "elsewhere" };

/** Mints the first session of a key, or joins the one that is there; a key that would go soon is kept for it. */
export function decideReserve(
  command: ReserveCommand,
  facts: ReserveFacts,
): Decision<ReserveAnswer> {
  const { state } = facts;
  if (state.aliasOf !== undefined || state.movedTo !== undefined) {
    return answered(ELSEWHERE);
  }
  if (hasSession(state)) return joined(state, facts.nowMs);
  const next = born(command, facts);
  const { sessionId, generation } = next.session;
  const birth: Birth = {
    sessionKey: next.sessionKey,
    agentId: next.agentId,
    sessionId,
    generation,
    principal: facts.principal,
    note: "",
    createMs: facts.nowMs,
  };
  const entry = {
    operation: "reserve",
    sessionId,
    generation,
    rawKey: command.rawKey,
    current: currentFence(next),
  };
  return answered(
    { kind: "standing", state: next },
    { state: next, told: true, generations: [birth], journal: [entry] },
  );
}

function joined(state: StandingKey, nowMs: number): Decision<ReserveAnswer> {
  const kept = keptForUse(state, nowMs);
  return answered({ kind: "standing", state: kept }, kept === state ? {} : { state: kept });
}

function born(command: ReserveCommand, facts: ReserveFacts): StandingKey {
  const { state, nowMs, generationFloor, revisionFloor } = facts;
  const first = generationFloor + 1n;
  return revised({
    ...state,
    revision: state.revision > revisionFloor ? state.revision : revisionFloor,
    internal: command.internal,
    keptUntilMs: keptUntil(command.mintedMs, nowMs),
    erasureId: undefined,
    session: {
      sessionId: facts.newSessionId,
      generation: first,
      parentSessionId: undefined,
      runEpoch: facts.epochFloor,
      activeRun: undefined,
      lastRun: undefined,
      oldestRunnable: first,
      oldestDeliverable: first,
      createMs: nowMs,
      rotateMs: nowMs,
      personMs: undefined,
      used: false,
    },
  });
}
