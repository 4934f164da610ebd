import type { Metrics } from "@lanekeeper/service";

/** What the runner counts. */
export interface RunnerMetrics {
  /** A turn was accepted. */
  admitted(disposition: string): void;
  /** A turn ended. */
  ended(state: string, reason: string): void;
  /** From acceptance to the grant of its first run. */
  waited(seconds: number): void;
  /** A run ended, however. */
  ran(outcome: string, seconds: number): void;
  /** A dead run's turn was taken over. */
  tookOver(how: (typeof TAKEOVERS)[number]): void;
  /** Runs of this replica. */
  running(count: number): void;
  /** Statements of callers that wait for their share of this replica's connections. */
  callersWaiting(count: number): void;
  /** Turns that wait in a lane, as seen when one was accepted. */
  laneDepth(depth: number): void;
  /** A run replaced older history by a summary. */
  compacted(): void;
  /** A hand-over to delivery. */
  handedOver(result: (typeof HANDOVERS)[number]): void;
  /** Replies of all tenants that delivery does not have, as seen by all replicas. */
  unsent(count: number): void;
  /** A conversation past its retention was removed. */
  forgot(): void;
  /** How much a table of conversations takes on disk. */
  stored(table: string, bytes: number): void;
}

const TAKEOVERS = ["run again", "ending repeated"] as const;
const HANDOVERS = ["accepted", "failed", "refused"] as const;

const DEPTHS = [0, 1, 2, 4, 8, 16, 32, 64, 128];
const RUN_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600];

export function runnerMetrics(metrics: Metrics): RunnerMetrics {
  const admitted = metrics.counter("turns_admitted_total", "Turns accepted", ["disposition"]);
  const ended = metrics.counter("turns_ended_total", "Turns ended", ["state", "reason"]);
  const waited = metrics.histogram("turn_wait_seconds", "From acceptance to the first run");
  const ran = metrics.histogram("run_seconds", "How long runs took", ["outcome"], RUN_SECONDS);
  const takeovers = metrics.counter("takeovers_total", "Turns taken over from a dead run", ["how"]);
  const running = metrics.gauge("runs_active", "Runs of this replica");
  const callers = metrics.gauge(
    "callers_waiting_statements",
    "Callers' statements that wait for their share of the connections",
  );
  const depth = metrics.histogram("lane_depth_turns", "Turns before an accepted one", [], DEPTHS);
  const compactions = metrics.counter("compactions_total", "Sessions compacted by their run");
  const outbox = metrics.counter("outbox_handovers_total", "Replies handed to delivery", [
    "result",
  ]);
  const unsent = metrics.gauge("outbox_unsent_replies", "Replies that wait for delivery");
  const forgotten = metrics.counter(
    "conversations_forgotten_total",
    "Conversations past retention",
  );
  const stored = metrics.gauge("conversations_stored_bytes", "Tables of conversations on disk", [
    "table",
  ]);
  // Told from the start: of a counter that appears with its first event, no alert sees that event.
  for (const how of TAKEOVERS) takeovers.inc({ how }, 0);
  for (const result of HANDOVERS) outbox.inc({ result }, 0);
  return {
    admitted: (disposition) => admitted.inc({ disposition }),
    ended: (state, reason) => ended.inc({ state, reason }),
    waited: (seconds) => waited.observe(seconds),
    ran: (outcome, seconds) => ran.observe({ outcome }, seconds),
    tookOver: (how) => takeovers.inc({ how }),
    running: (count) => running.set(count),
    callersWaiting: (count) => callers.set(count),
    laneDepth: (count) => depth.observe(count),
    compacted: () => compactions.inc(),
    handedOver: (result) => outbox.inc({ result }),
    unsent: (count) => unsent.set(count),
    forgot: () => forgotten.inc(),
    stored: (table, bytes) => stored.set({ table }, bytes),
  };
}
