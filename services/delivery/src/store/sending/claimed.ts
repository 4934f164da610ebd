/** The head of a route, claimed by this replica until the lease is over. */
export interface Claimed {
  readonly tenant: string;
  readonly deliveryId: string;
  /** What the delivery is called at session-identity. */
  readonly fenceId: string;
  readonly routeId: string;
  readonly routeSeq: bigint;
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly turnId: string;
  readonly principal: string;
  readonly requestLabel: string;
  readonly traceId: string;
  readonly traceparent: string;
  readonly parts: readonly Uint8Array[];
  /** This one's number, from 1: the right to write its outcome. */
  readonly attempt: number;
  readonly wasClaimed: boolean;
  readonly perhapsSent: boolean;
  /** The attempt before this one died with its process. */
  readonly lostAttempt: boolean;
  /** An earlier attempt's outcome has not been told to session-identity. */
  readonly hasUntold: boolean;
  /** Until its expire_time, by the database's clock; negative: it has passed. */
  readonly expiresInMs: number;
  readonly createTime: Date;
  readonly kind: number;
  readonly accountId: string;
  readonly address: string;
  readonly threadId: string;
  /** The route's secret, then those before it that are still used, the newest first. */
  readonly signingSecrets: readonly string[];
  /** Messages of the channel that have been taken. */
  readonly acceptedPieces: number;
  /** The next one may have arrived. */
  readonly isDoubtful: boolean;
  readonly pieceHandle: string;
  /** What perhaps arrived may be sent again. */
  readonly mayResend: boolean;
  readonly failureCount: number;
  readonly unavailableCount: number;
  readonly gapBefore: number;
}
