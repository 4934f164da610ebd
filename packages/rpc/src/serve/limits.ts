/** The bounds of one gRPC server. */
export interface ServeLimits {
  /** One request message; more is PAYLOAD_TOO_LARGE. gRPC's customary bound. */
  readonly maxRequestBytes: number;
  /** A unary call without a deadline gets this one. */
  readonly defaultTimeoutMs: number;
  /** A longer deadline of a unary call is cut to this: the longest that any call may wait here. */
  readonly maxTimeoutMs: number;
  /** Connections; one more is closed at once. Each is about 20 KiB, and a file descriptor. */
  readonly maxConnections: number;
  /** Concurrent calls of one connection; a client opens another connection or waits. */
  readonly maxConcurrentStreams: number;
  /** Calls being served at once, over all connections; one more is RATE_LIMITED. */
  readonly maxInFlightCalls: number;
  /** A ping after this silence, and the connection is closed if it is not answered in time. */
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  /** A connection is told to leave at this age (±10 %), so that clients spread anew. */
  readonly maxConnectionAgeMs: number;
  /** How long its streams may then go on. */
  readonly maxConnectionAgeGraceMs: number;
  /** How long a stream's reader may leave 80 messages (and a window of 64 KiB) unread. */
  readonly slowConsumerMs: number;
  /** How long `drain` waits for calls before it cuts them off. */
  readonly drainTimeoutMs: number;
}

export const DEFAULT_SERVE_LIMITS: ServeLimits = {
  maxRequestBytes: 4 * 1024 * 1024,
  defaultTimeoutMs: 30_000,
  maxTimeoutMs: 300_000,
  maxConnections: 10_000,
  maxConcurrentStreams: 1_000,
  maxInFlightCalls: 10_000,
  keepaliveTimeMs: 20_000,
  keepaliveTimeoutMs: 10_000,
  maxConnectionAgeMs: 600_000,
  maxConnectionAgeGraceMs: 300_000,
  slowConsumerMs: 30_000,
  drainTimeoutMs: 25_000,
};

/** Above the bound, and up to this much more, the refusal carries ErrorInfo; beyond it the bare status of grpc-js. */
const WIRE_SLACK_BYTES = 1024 * 1024;

/** The options of grpc-js that keep these bounds. */
export function serverOptions(limits: ServeLimits): Record<string, number> {
  return {
    "grpc.max_receive_message_length": limits.maxRequestBytes + WIRE_SLACK_BYTES,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": limits.maxConcurrentStreams,
    "grpc.keepalive_time_ms": limits.keepaliveTimeMs,
    "grpc.keepalive_timeout_ms": limits.keepaliveTimeoutMs,
    "grpc.max_connection_age_ms": limits.maxConnectionAgeMs,
    "grpc.max_connection_age_grace_ms": limits.maxConnectionAgeGraceMs,
    "grpc.enable_channelz": 0,
  };
}
