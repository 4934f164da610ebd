export { type AdminOptions, type AdminServer, startAdmin, type VersionInfo } from "./admin.ts";
export { type Backoff, backoffMs, DEFAULT_BACKOFF } from "./backoff.ts";
export { boundedSignal } from "./bounded-signal.ts";
export { type LinkedSignal, linkedSignal } from "./linked-signal.ts";
export { BusyPortError, explainBusyPort, explainListenError } from "./busy-port.ts";
export { type Clock, type ClockTimer, systemClock } from "./clock.ts";
export { clusterSecret } from "./cluster-secret.ts";
export { Disposal } from "./disposal.ts";
export {
  type Env,
  EnvError,
  type EnvProblem,
  optional,
  readVariables,
  type Values,
  type Variable,
  type Variables,
  withDefault,
} from "./env.ts";
export { EXIT } from "./exit-codes.ts";
export { type Ids, systemIds } from "./ids.ts";
export { type RunningService, type ServiceState } from "./lifecycle.ts";
export { createLog, flushLog, type Log, type LogOptions } from "./log.ts";
export { makeFolder } from "./make-folder.ts";
export { createMetrics, LATENCY_SECONDS, type Metrics } from "./metrics.ts";
export type { ModelSettings } from "./model-settings.ts";
export {
  apiUrl,
  type Bounds,
  databaseUrl,
  duration,
  flag,
  hostName,
  integer,
  oneOf,
  type Parser,
  path,
  port,
  secret,
  target,
  text,
  url,
} from "./parsers.ts";
export { notReady, READY, type Readiness } from "./readiness.ts";
export { type Failure, type RetryOptions, retry } from "./retry.ts";
export { type RunOptions, runService } from "./run.ts";
export { Secret } from "./secret.ts";
export type { ServiceContext } from "./service-context.ts";
export { SERVICE_NAMES, type ServiceName } from "./services.ts";
export {
  dialable,
  type ListenAddress,
  readSettings,
  type ServiceSettings,
  type Settings,
} from "./settings.ts";
export { formatHostPort, formatTarget, type HostPort, parseTarget, type Target } from "./target.ts";
export {
  startTelemetry,
  type Telemetry,
  type TelemetryMode,
  type TelemetryOptions,
} from "./telemetry.ts";
export {
  activeTraceId,
  activeTraceparent,
  type SpanOptions,
  type SpanRole,
  withSpan,
  withTraceparent,
} from "./trace.ts";
export { type TurnFields, turnLog } from "./turn-log.ts";
export { type UnknownVariable, unknownVariables } from "./unknown-variables.ts";
export {
  knownVariables,
  LOG_KEYS,
  LOG_LEVELS,
  type LogKeys,
  type LogLevel,
  variables,
} from "./variables.ts";
export { packageVersion } from "./version.ts";
export { type Finish, finishWithin } from "./within.ts";
export { type TlsPaths, tlsPaths } from "./tls-settings.ts";
