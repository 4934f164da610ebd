/** The bounds of one Exchange stream on the server. */
export interface ExchangeLimits {
  /** Frames whose answers the peer has not taken; beyond it no further frame is read. */
  readonly maxInFlightFrames: number;
  /** A frame without a timeout gets this one. */
  readonly defaultTimeoutMs: number;
  /** A longer timeout is cut to this. */
  readonly maxTimeoutMs: number;
}

export const DEFAULT_EXCHANGE_LIMITS: ExchangeLimits = {
  maxInFlightFrames: 1_024,
  defaultTimeoutMs: 30_000,
  maxTimeoutMs: 300_000,
};
