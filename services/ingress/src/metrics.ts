import type { Metrics } from "@lanekeeper/service";

/** From the fast path to the longest that a plain request waits. */
const WAIT_SECONDS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 240, 600];

/** What ingress counts. */
export interface IngressMetrics {
  request(labels: { route: string; status: number; reason: string }, seconds: number): void;
  /** From acceptance to the first run. */
  queueWait(seconds: number): void;
  /** What became of a plain request's wait in the call that submitted its turn. */
  plainWait(result: PlainWait): void;
  /** Streams that are open; call the result when one ends. */
  streamOpened(): () => void;
  requestLogDropped(count: number): void;
  connectionRefused(): void;
  grpcConnectionRefused(): void;
  /** What became of a due time, and for an accepted one how late it was. */
  scheduleRun(result: ScheduleResult, lagSeconds: number | undefined): void;
}

/** `unanswered`: it is tried again. */
export type ScheduleResult = (typeof SCHEDULE_RESULTS)[number];

/**
 * `ended`: with the turn; `followed`: it took longer, or became a part of another, and a stream was attached to. Nobody knows what became
 * of the call, and the turn is submitted again by a stream: `broken`, or `older`, of a runner without such a
 * call. `left`: nobody waits any more.
 */
export type PlainWait = (typeof PLAIN_WAITS)[number];

const PLAIN_WAITS = ["ended", "followed", "broken", "older", "left"] as const;

const SCHEDULE_RESULTS = ["accepted", "refused", "missed", "unanswered"] as const;

export function ingressMetrics(metrics: Metrics): IngressMetrics {
  const labels = ["route", "status", "reason"] as const;
  const requests = metrics.counter("http_requests_total", "Requests answered over HTTP.", labels);
  const seconds = metrics.histogram(
    "http_request_duration_seconds",
    "From a request's headers to the end of its answer.",
    ["route"] as const,
  );
  const wait = metrics.histogram(
    "turn_queue_wait_seconds",
    "From a turn's acceptance to its first run.",
    [],
    WAIT_SECONDS,
  );
  const plainWaits = metrics.counter(
    "plain_waits_total",
    "Plain requests by what became of their wait in the call that submitted their turn.",
    ["result"] as const,
  );
  const streams = metrics.gauge("open_streams", "Event streams that are open.");
  const dropped = metrics.counter("request_log_dropped_total", "Request log entries given up.");
  const refused = metrics.counter("http_connections_refused_total", "Connections over the bound.");
  const grpcRefused = metrics.counter(
    "grpc_connections_refused_total",
    "Connections over the bound of the gRPC port.",
  );
  const scheduled = metrics.counter("schedule_runs_total", "Due times of schedules.", [
    "result",
  ] as const);
  // Told from the start: of a counter that appears with its first event, no alert sees that event.
  for (const result of SCHEDULE_RESULTS) scheduled.inc({ result }, 0);
  for (const result of PLAIN_WAITS) plainWaits.inc({ result }, 0);
  const lag = metrics.histogram(
    "schedule_lag_seconds",
    "From a schedule's due time to when its turn was begun to be submitted.",
    [],
    WAIT_SECONDS,
  );
  return {
    request({ route, status, reason }, duration) {
      requests.inc({ route, status: String(status), reason });
      seconds.observe({ route }, duration);
    },
    queueWait: (value) => wait.observe(value),
    plainWait: (result) => plainWaits.inc({ result }),
    streamOpened() {
      streams.inc();
      return () => streams.dec();
    },
    requestLogDropped: (count) => dropped.inc(count),
    connectionRefused: () => refused.inc(),
    grpcConnectionRefused: () => grpcRefused.inc(),
    scheduleRun(result, lagSeconds) {
      scheduled.inc({ result });
      if (lagSeconds !== undefined) lag.observe(lagSeconds);
    },
  };
}
