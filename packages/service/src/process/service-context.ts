import type { Clock } from "../waiting/clock.ts";
import type { Ids } from "../ids.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ServiceName } from "../settings/services.ts";
import type { Settings } from "../settings/settings.ts";

/** What `runService` gives to a service's `start`. Tests build one with `testContext`. */
export interface ServiceContext {
  readonly name: ServiceName;
  /** This process, for logs, leases and traces. Another one at every start. */
  readonly instanceId: string;
  /** The package's. */
  readonly version: string;
  readonly settings: Settings;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly ids: Ids;
  /** Aborted as soon as a stop is asked for, also while `start` still runs. */
  readonly stopping: AbortSignal;
}
