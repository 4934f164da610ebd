export {
  type AdminOptions,
  type AdminServer,
  startAdmin,
  type VersionInfo,
} from "./process/admin.ts";
export { type Backoff, backoffMs, DEFAULT_BACKOFF } from "./waiting/backoff.ts";
export { boundedSignal } from "./waiting/bounded-signal.ts";
export { type LinkedSignal, linkedSignal } from "./waiting/linked-signal.ts";
export { BusyPortError, explainBusyPort, explainListenError } from "./process/busy-port.ts";
export { type Clock, type ClockTimer, systemClock } from "./waiting/clock.ts";
export {
  countCalls,
  type EndedCall,
  type InternalError,
  logInternalErrors,
} from "./telemetry/calls.ts";
export { clusterSecret } from "./settings/cluster-secret.ts";
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
} from "./settings/env.ts";
export { EXIT } from "./process/exit-codes.ts";
export { type Ids, systemIds } from "./ids.ts";
export { keepNewest } from "./keep-newest.ts";
export { type RunningService, type ServiceState } from "./process/lifecycle.ts";
export { createLog, flushLog, inTrace, type Log, type LogOptions } from "./telemetry/log.ts";
export { makeFolder } from "./process/make-folder.ts";
export { createMetrics, LATENCY_SECONDS, type Metrics } from "./telemetry/metrics.ts";
export type { ModelSettings } from "./settings/model-settings.ts";
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
} from "./settings/parsers.ts";
export { notReady, READY, type Readiness } from "./process/readiness.ts";
export { type Failure, type RetryOptions, retry } from "./waiting/retry.ts";
export { type RunOptions, runService } from "./process/run.ts";
export { Secret } from "./settings/secret.ts";
export type { ServiceContext } from "./process/service-context.ts";
export { SERVICE_NAMES, type ServiceName } from "./settings/services.ts";
export {
  dialable,
  type ListenAddress,
  readSettings,
  type ServiceSettings,
  type Settings,
} from "./settings/settings.ts";
export {
  formatHostPort,
  formatTarget,
  type HostPort,
  parseTarget,
  type Target,
} from "./settings/target.ts";
export {
  startTelemetry,
  type Telemetry,
  type TelemetryMode,
  type TelemetryOptions,
} from "./telemetry/telemetry.ts";
export {
  addSpanEvent,
  type SpanOptions,
  type SpanRole,
  traceparentOf,
  withSpan,
} from "./telemetry/trace.ts";
export { traceIdOf } from "./telemetry/traceparent.ts";
export { type TurnFields, turnLog } from "./telemetry/turn-log.ts";
export { type UnknownVariable, unknownVariables } from "./settings/unknown-variables.ts";
export {
  knownVariables,
  LOG_KEYS,
  LOG_LEVELS,
  type LogKeys,
  type LogLevel,
  variables,
} from "./settings/variables.ts";
export { packageVersion } from "./settings/version.ts";
export { Turnstile } from "./waiting/turnstile.ts";
export { UnderWay } from "./waiting/under-way.ts";
export { type Finish, finishWithin } from "./waiting/within.ts";
export { type TlsPaths, tlsPaths } from "./settings/tls-settings.ts";
