import { type DestinationStream, type Logger, pino, stdSerializers, stdTimeFunctions } from "pino";
import { activeTraceId } from "./trace.ts";
import { traceIdOf } from "./traceparent.ts";
import { type LogOutput, logOutput, onceReadAgain } from "./log-output.ts";
import { keyText } from "./log-keys.ts";
import { scrub } from "./scrub.ts";
import type { Secret } from "../settings/secret.ts";
import type { LogKeys, LogLevel } from "../settings/variables.ts";

export type Log = Logger;

export interface LogOptions {
  readonly service: string;
  readonly instanceId: string;
  readonly level: LogLevel;
  readonly keys: LogKeys;
  /** Keys the hashes of LANEKEEPER_LOG_KEYS=hash. */
  readonly keySecret?: Secret | undefined;
  /** Where lines go; standard output without it. */
  readonly destination?: DestinationStream | undefined;
}

/** Its file descriptor: asking `process.stdout` would make a stream of it. */
const STANDARD_OUTPUT = 1;

/** Set on a child whose lines are of one trace; its own children have it too. */
const TRACE_ID = Symbol("lanekeeper.trace_id");

/**
 * JSON lines: level, time (ISO 8601, UTC), service, instance_id, trace_id where the line is of a trace
 * (`inTrace`, or the active span where spans are exported), fields, msg. Errors go in as `log.error({ err }, "…")` and come out with stack and causes. Session keys, raw
 * keys and peers appear as LANEKEEPER_LOG_KEYS says; credentials never do.
 */
export function createLog(options: LogOptions): Log {
  if (options.destination !== undefined) return logTo(options, options.destination);
  const output = logOutput(STANDARD_OUTPUT);
  const log = logTo(options, output);
  tellLost(log, output);
  return log;
}

/** Lines that nobody took are told of, in number, once lines are taken again. */
export function tellLost(log: Log, output: LogOutput): void {
  onceReadAgain(output, (lost) =>
    log.warn({ lost }, "lines of this log were lost: nobody read it"),
  );
}

function logTo(options: LogOptions, output: DestinationStream): Log {
  return pino(
    {
      level: options.level,
      base: { service: options.service, instance_id: options.instanceId },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: serializers(options),
      mixin: (_line, _level, logger) => traceField(logger),
      hooks: { streamWrite: scrub },
    },
    output,
  );
}

/**
 * A child whose lines carry the trace id of this W3C traceparent, also where another span is active.
 * Undefined, empty or ill-formed: the log itself.
 */
export function inTrace(log: Log, traceparent: string | undefined): Log {
  return traceIdOf(traceparent) === undefined ? log : setTrace(log.child({}), traceparent);
}

/** The same for a child that is nobody else's; returns it. */
export function setTrace(child: Log, traceparent: string | undefined): Log {
  const value = traceIdOf(traceparent);
  // A binding would stand in the line beside the active span's field of the same name.
  return value === undefined ? child : Object.defineProperty(child, TRACE_ID, { value });
}

/** Writes what is buffered; for the end of a process that must not lose its last words. */
export function flushLog(log: Log): Promise<void> {
  return new Promise((resolve) => {
    log.flush(() => resolve());
  });
}

function serializers(options: LogOptions): Record<string, (value: unknown) => unknown> {
  const key = keyText(options.keys, options.keySecret);
  const names = ["session_key", "raw_key", "peer", "sessionKey", "rawKey"];
  return {
    ...Object.fromEntries(names.map((name) => [name, key])),
    err: error,
    error,
    generation: int64,
    run_epoch: int64,
  };
}

function error(value: unknown): unknown {
  return value instanceof Error ? stdSerializers.errWithCause(value) : value;
}

/** JSON has no bigint; below 2^53 a plain number says the same. */
function int64(value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
}

function traceField(logger: object): object {
  const fixed: unknown = Reflect.get(logger, TRACE_ID);
  const traceId = fixed ?? activeTraceId();
  return traceId === undefined ? {} : { trace_id: traceId };
}
