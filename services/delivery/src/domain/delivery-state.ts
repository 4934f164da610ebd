import { DeliveryState } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";

/** The stored states of a delivery. */
export type DeliveryStateName = Exclude<keyof typeof DeliveryState, "UNSPECIFIED">;

interface StateRow {
  /** As stored, and as it stands in the protos. */
  readonly code: number;
  readonly next: readonly DeliveryStateName[];
}

/**
 * The one table of states and transitions; the checks of the SQL schema are tested against it.
 * PENDING follows FAILED and UNKNOWN, the dead letters, where somebody redrives them; SENDING follows
 * SENDING where the process that sent is gone: its attempt is UNKNOWN, and the same
 * claim begins the next one.
 */
export const DELIVERY_STATES = {
  PENDING: { code: DeliveryState.PENDING, next: ["SENDING"] },
  SENDING: {
    code: DeliveryState.SENDING,
    next: ["PENDING", "SENDING", "SENT", "FAILED", "UNKNOWN", "SUPPRESSED_STALE"],
  },
  SENT: { code: DeliveryState.SENT, next: [] },
  FAILED: { code: DeliveryState.FAILED, next: ["PENDING"] },
  UNKNOWN: { code: DeliveryState.UNKNOWN, next: ["PENDING"] },
  SUPPRESSED_STALE: { code: DeliveryState.SUPPRESSED_STALE, next: [] },
} as const satisfies Record<DeliveryStateName, StateRow>;

const ROWS = Object.entries(DELIVERY_STATES) as readonly [DeliveryStateName, StateRow][];

export const DELIVERY_STATE_NAMES: readonly DeliveryStateName[] = ROWS.map(([name]) => name);

export function stateCode(name: DeliveryStateName): number {
  return DELIVERY_STATES[name].code;
}

/** Nothing more happens to it by itself. */
export function hasEnded(name: DeliveryStateName): boolean {
  return name !== "PENDING" && name !== "SENDING";
}

/** Ended without having arrived for certain: somebody may redrive or dismiss it. */
export function isDead(name: DeliveryStateName): boolean {
  return hasEnded(name) && mayBecome(name, "PENDING");
}

export function mayBecome(from: DeliveryStateName, to: DeliveryStateName): boolean {
  return (DELIVERY_STATES[from].next as readonly DeliveryStateName[]).includes(to);
}
