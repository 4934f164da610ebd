import { createMetrics } from "../telemetry/metrics.ts";
import type { ServiceContext } from "../process/service-context.ts";
import type { ServiceName } from "../settings/services.ts";
import { readSettings, type Settings } from "../settings/settings.ts";
import { captureLog } from "./capture-log.ts";
import { ManualClock } from "./manual-clock.ts";
import { sequentialIds } from "./sequential-ids.ts";

/** Settings with every default but the ports, which are 0: any free one. Nothing of the real environment. */
export function testSettings(env: Record<string, string> = {}): Settings {
  return readSettings({ LANEKEEPER_PORT: "0", ...freePorts(), ...env });
}

/** A context with test doubles for time, ids and logs; pass what the test needs otherwise. */
export function testContext(
  name: ServiceName,
  overrides: Partial<ServiceContext> = {},
): ServiceContext {
  return {
    name,
    instanceId: `${name}-test`,
    version: "0.0.0",
    settings: testSettings(),
    log: captureLog({ service: name }).log,
    metrics: createMetrics(name, { ofProcess: false }),
    clock: new ManualClock(),
    ids: sequentialIds(),
    stopping: new AbortController().signal,
    ...overrides,
  };
}

function freePorts(): Record<string, string> {
  const listeners = Object.values(readSettings({}).services).flatMap(({ grpc, admin }) => [
    grpc.variable,
    admin.variable,
  ]);
  return Object.fromEntries(listeners.map((variable) => [variable, "0"]));
}
