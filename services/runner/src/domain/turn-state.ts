import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";

/** The stored states of a turn. REJECTED is told to callers and never stored. */
export type TurnStateName = Exclude<keyof typeof TurnState, "UNSPECIFIED" | "REJECTED">;

interface StateRow {
  /** As stored, and as it stands in the protos. */
  readonly code: number;
  readonly next: readonly TurnStateName[];
}

/**
 * The one table of states and transitions. The checks of the SQL schema, the statements that change a
 * state, the diagram of the README and the property tests are derived from it or tested against it.
 */
export const TURN_STATES = {
  QUEUED: {
    code: TurnState.QUEUED,
    next: ["ACTIVE", "CANCELLED", "FAILED", "SKIPPED", "COALESCED"],
  },
  ACTIVE: {
    code: TurnState.ACTIVE,
    next: ["QUEUED", "COMPLETED", "FAILED", "INTERRUPTED", "CANCELLED", "SUPERSEDED"],
  },
  COMPLETED: { code: TurnState.COMPLETED, next: [] },
  FAILED: { code: TurnState.FAILED, next: [] },
  INTERRUPTED: { code: TurnState.INTERRUPTED, next: [] },
  CANCELLED: { code: TurnState.CANCELLED, next: [] },
  SUPERSEDED: { code: TurnState.SUPERSEDED, next: [] },
  COALESCED: { code: TurnState.COALESCED, next: [] },
  SKIPPED: { code: TurnState.SKIPPED, next: [] },
} as const satisfies Record<TurnStateName, StateRow>;

const ROWS = Object.entries(TURN_STATES) as readonly [TurnStateName, StateRow][];
const BY_CODE = new Map(ROWS.map(([name, { code }]) => [code, name]));

export function stateCode(name: TurnStateName): number {
  return TURN_STATES[name].code;
}

/** @throws for a number that no stored state has: the schema's check excludes it. */
export function stateOf(code: number): TurnStateName {
  const name = BY_CODE.get(code);
  if (name === undefined) throw new Error(`no turn state has the number ${code}`);
  return name;
}

export function isTerminal(name: TurnStateName): boolean {
  return TURN_STATES[name].next.length === 0;
}

export function mayBecome(from: TurnStateName, to: TurnStateName): boolean {
  return (TURN_STATES[from].next as readonly TurnStateName[]).includes(to);
}

/** The stored numbers of the states from which a turn may come to this one. */
export function codesBefore(to: TurnStateName): number[] {
  return ROWS.filter(([from]) => mayBecome(from, to)).map(([, { code }]) => code);
}
