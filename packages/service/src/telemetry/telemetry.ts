import {
  context,
  type DiagLogger,
  DiagLogLevel,
  diag,
  propagation,
  trace,
} from "@opentelemetry/api";
import type * as Sdk from "@opentelemetry/sdk-node";
import type { Env } from "../settings/env.ts";
import type { Log } from "./log.ts";
import { passThrough } from "./pass-through.ts";
import { PassThroughTracerProvider } from "./pass-through-tracer.ts";
import { type Finish, finishWithin } from "../waiting/within.ts";

export interface TelemetryOptions {
  readonly service: string;
  readonly instanceId: string;
  readonly version: string;
  readonly env?: Env;
  /** Told what OpenTelemetry itself cannot do, such as reach its collector. */
  readonly log?: Log;
  /** In place of what the environment configures. */
  readonly spanProcessors?: Sdk.tracing.SpanProcessor[];
  /** Bound of the last flush. */
  readonly flushTimeoutMs?: number;
}

export interface Telemetry extends AsyncDisposable {
  readonly mode: TelemetryMode;
  /** Exports what is buffered, at most for `flushTimeoutMs`. Does not reject. */
  shutdown(): Promise<Finish>;
}

/** `off`: OTEL_SDK_DISABLED; `pass-through`: trace ids exist and travel, nothing is recorded; `exporting`. */
export type TelemetryMode = "off" | "pass-through" | "exporting";

/** A collector that does not answer must not eat the drain timeout; a healthy one takes a few ms. */
const FLUSH_TIMEOUT_MS = 3_000;

/**
 * Starts OpenTelemetry for this process, by the standard OTEL_ variables. Spans are exported when
 * OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT says where
 * to; without any of them nothing is sent anywhere, not even to OpenTelemetry's default of
 * localhost:4318. Metrics are Prometheus' (`/metrics`) and logs go to standard output, so these two
 * are exported only when OTEL_METRICS_EXPORTER or OTEL_LOGS_EXPORTER asks for it.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const env = options.env ?? process.env;
  const mode = telemetryMode(env, options.spanProcessors);
  if (mode === "off") return telemetry(mode, options, async () => undefined);
  if (mode === "pass-through" && !asksForSomething(env)) {
    if (options.log) reportTo(options.log);
    passThrough();
    return telemetry(mode, options, async () => undefined);
  }
  // Loaded here, since it takes 120 ms and 25 MB that a process without such variables need not spend.
  const sdk = await import("@opentelemetry/sdk-node");
  const node = new sdk.NodeSDK(configuration(sdk, options, env, mode));
  if (options.log) reportTo(options.log, sdk.core.diagLogLevelFromString(env["OTEL_LOG_LEVEL"]));
  node.start();
  if (mode === "pass-through") {
    const ids = new sdk.tracing.RandomIdGenerator();
    trace.setGlobalTracerProvider(new PassThroughTracerProvider(ids));
  }
  return telemetry(mode, options, () => node.shutdown());
}

function telemetry(
  mode: TelemetryMode,
  { flushTimeoutMs = FLUSH_TIMEOUT_MS, log }: TelemetryOptions,
  flush: () => Promise<void>,
): Telemetry {
  const shutdown = async () => {
    const finish = await finishWithin(flushTimeoutMs, flush);
    if (finish.kind === "failed") log?.warn({ err: finish.error }, "the last spans were lost");
    if (finish.kind === "late")
      log?.warn({ timeout_ms: flushTimeoutMs }, "the last spans were lost");
    release();
    return finish;
  };
  return {
    mode,
    shutdown,
    [Symbol.asyncDispose]: async () => {
      await shutdown();
    },
  };
}

/** The SDK has some sixty variables, and reads files that they name. */
function asksForSomething(env: Env): boolean {
  return Object.keys(env).some((name) => name.startsWith("OTEL_"));
}

function telemetryMode(env: Env, processors: readonly unknown[] | undefined): TelemetryMode {
  if (env["OTEL_SDK_DISABLED"]?.trim().toLowerCase() === "true") return "off";
  if (processors !== undefined) return "exporting";
  const exporter = env["OTEL_TRACES_EXPORTER"]?.trim();
  if (exporter === "none") return "pass-through";
  const endpoint = env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] || env["OTEL_EXPORTER_OTLP_ENDPOINT"];
  return exporter || endpoint ? "exporting" : "pass-through";
}

function configuration(
  sdk: typeof Sdk,
  options: TelemetryOptions,
  env: Env,
  mode: TelemetryMode,
): Partial<Sdk.NodeSDKConfiguration> {
  const { spanProcessors } = options;
  return {
    resource: resource(sdk, options, env),
    // Detectors read machine ids and host names, which only an exported span would show.
    autoDetectResources: mode === "exporting",
    // Baggage is not forwarded by default: what a caller puts there would reach every endpoint we call.
    ...(env["OTEL_PROPAGATORS"]
      ? {}
      : { textMapPropagator: new sdk.core.W3CTraceContextPropagator() }),
    ...(env["OTEL_METRICS_EXPORTER"] ? {} : { metricReaders: [] }),
    ...(env["OTEL_LOGS_EXPORTER"] ? {} : { logRecordProcessors: [] }),
    ...(mode === "exporting" ? (spanProcessors ? { spanProcessors } : {}) : { spanProcessors: [] }),
  };
}

/** https://opentelemetry.io/docs/specs/semconv/resource/#service; OTEL_SERVICE_NAME overrides the name. */
function resource({ resources }: typeof Sdk, options: TelemetryOptions, env: Env) {
  return resources.defaultResource().merge(
    resources.resourceFromAttributes({
      "service.name": env["OTEL_SERVICE_NAME"] || options.service,
      "service.namespace": "lanekeeper",
      "service.instance.id": options.instanceId,
      "service.version": options.version,
    }),
  );
}

/** OpenTelemetry swallows its own failures unless someone listens. */
function reportTo(log: Log, level: DiagLogLevel = DiagLogLevel.WARN): void {
  const line = (level: "error" | "warn" | "info" | "debug" | "trace") => (msg: string) => {
    log[level]({ component: "opentelemetry" }, msg);
  };
  const logger: DiagLogger = {
    error: line("error"),
    warn: line("warn"),
    info: line("info"),
    debug: line("debug"),
    verbose: line("trace"),
  };
  diag.setLogger(logger, { logLevel: level, suppressOverrideMessage: true });
}

/** So that a process (a test, most of all) can start telemetry again. */
function release(): void {
  trace.disable();
  context.disable();
  propagation.disable();
  diag.disable();
}
