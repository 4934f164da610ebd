/** The bounds of the Connect door. */
export interface ConnectLimits {
  /** One request message, after decompression as well; more is PAYLOAD_TOO_LARGE. */
  readonly readMaxBytes: number;
  /** A unary call without a timeout gets this one. */
  readonly defaultTimeoutMs: number;
  /** A longer timeout of a unary call is cut to this. */
  readonly maxTimeoutMs: number;
  /** Calls being served at once; one more is RATE_LIMITED. */
  readonly maxInFlightCalls: number;
  /** An answer of which its reader takes nothing for so long is cut off; a stream is SLOW_CONSUMER. */
  readonly slowConsumerMs: number;
  /** How long `drain` waits for calls before it cuts them off. */
  readonly drainTimeoutMs: number;
}

export const DEFAULT_CONNECT_LIMITS: ConnectLimits = {
  readMaxBytes: 4 * 1024 * 1024,
  defaultTimeoutMs: 30_000,
  maxTimeoutMs: 300_000,
  maxInFlightCalls: 5_000,
  slowConsumerMs: 30_000,
  drainTimeoutMs: 25_000,
};
