import { constants } from "node:os";
import type { Clock } from "../waiting/clock.ts";
import { EXIT } from "./exit-codes.ts";
import type { Log } from "../telemetry/log.ts";
import { StopSignals } from "./stop-signals.ts";

export interface ProcessEventOptions {
  readonly log: Log;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** LANEKEEPER_SUPERVISED. */
  readonly supervised: boolean;
  /** Told at most once. */
  readonly stop: (because: string) => void;
}

/**
 * The one place that listens to the process: a first SIGTERM, SIGINT or SIGHUP (its terminal was closed) stops
 * the service in order, a second ends it at once; an error that nobody caught is logged with its stack and ends it with 1;
 * a warning of Node becomes a line of the log.
 *
 * A supervised service also stops when its IPC channel closes. The kernel closes that when the
 * supervisor dies, however it dies, so not even `kill -9` leaves orphans. Such a service ignores SIGINT and SIGHUP:
 * Ctrl-C reaches the whole process group, and the supervisor, which gets it too, stops its services.
 */
export function handleProcessEvents(options: ProcessEventOptions): void {
  process.on("uncaughtException", (err, origin) => crash(options.log, err, origin));
  logWarnings(options.log);
  const hasSupervisor = options.supervised && process.channel !== undefined;
  if (hasSupervisor) stopWithSupervisor(options);
  else if (options.supervised) options.log.warn(NO_CHANNEL);
  const signals = new StopSignals();
  process.on("SIGTERM", () => onSignal("SIGTERM", signals, options));
  for (const name of ["SIGINT", "SIGHUP"] as const) {
    process.on(name, () => {
      if (!hasSupervisor) onSignal(name, signals, options);
    });
  }
}

/** Node prints its warnings as plain text, which whoever reads the log as JSON lines would stumble over. */
function logWarnings(log: Log): void {
  process.removeAllListeners("warning");
  process.on("warning", (err) => log.warn({ err }, "a warning of Node"));
}

const NO_CHANNEL =
  "LANEKEEPER_SUPERVISED is set but there is no IPC channel: this process will not notice the end of its supervisor";

type StopSignal = "SIGTERM" | "SIGINT" | "SIGHUP";

function onSignal(signal: StopSignal, signals: StopSignals, options: ProcessEventOptions): void {
  const verdict = signals.judge(options.clock.monotonicMs());
  if (verdict === "stop") return options.stop(signal);
  if (verdict === "echo") return;
  options.log.warn({ signal }, "second signal: ending at once");
  // pino writes what it has buffered when the process exits.
  process.exit(EXIT.signalled + constants.signals[signal]);
}

function stopWithSupervisor({ stop }: ProcessEventOptions): void {
  process.on("disconnect", () => stop("the supervisor is gone"));
  // A listener on the channel would keep a finished service alive.
  process.channel?.unref();
}

/** Node raises an unhandled rejection as an uncaught exception too; `origin` tells which it was. */
function crash(log: Log, err: Error, origin: NodeJS.UncaughtExceptionOrigin): void {
  log.fatal({ err, origin }, "nobody caught this error: ending");
  process.exit(EXIT.failed);
}
