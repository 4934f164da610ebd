import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { startAdmin } from "./admin.ts";
import { systemClock } from "../waiting/clock.ts";
import { Disposal } from "../disposal.ts";
import { EnvError } from "../settings/env.ts";
import { systemIds } from "../ids.ts";
import { Lifecycle, refuseEnvironment, type RunningService, startFailed } from "./lifecycle.ts";
import { createLog, flushLog, type Log } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { handleProcessEvents } from "./process-events.ts";
import { requireDatabase } from "../settings/require-database.ts";
import type { ServiceContext } from "./service-context.ts";
import type { ServiceName } from "../settings/services.ts";
import { readSettings, type Settings } from "../settings/settings.ts";
import { startTelemetry } from "../telemetry/telemetry.ts";
import { unknownVariables } from "../settings/unknown-variables.ts";
import { knownVariables } from "../settings/variables.ts";
import { packageVersion } from "../settings/version.ts";
import { finishWithin } from "../waiting/within.ts";

export interface RunOptions {
  readonly name: ServiceName;
  /** `import.meta.url` of the service's main module; its package.json has the version. */
  readonly moduleUrl: string;
  /** The migration that the service was built for, for `/version`. */
  readonly schema: string;
  readonly start: (context: ServiceContext) => Promise<RunningService>;
}

/** After the exit code is known, what still holds the event loop gets this long before it is cut off. */
const LINGER_MS = 2_000;
/** A reader of our output that reads no more must not keep the process. */
const FLUSH_TIMEOUT_MS = 1_000;

/**
 * The whole life of a service process: settings, logging, telemetry, metrics and the admin port first;
 * then the service; then, on SIGTERM, SIGINT or the end of its supervisor, unready, drain, close. Sets
 * the process' exit code and sees to it that the process ends. Call it once, last in `main.ts`.
 */
export async function runService(options: RunOptions): Promise<number> {
  // `ps`, and whoever looks for the holder of a port, know the process by this.
  process.title = `lanekeeper ${options.name}`;
  const instanceId = newInstanceId();
  const settings = settingsOrProblems(options.name);
  const log = openLog(options.name, instanceId, settings);
  const exitCode =
    settings instanceof EnvError
      ? refuseEnvironment(log, settings)
      : await live(options, { instanceId, settings, log });
  await finishWithin(FLUSH_TIMEOUT_MS, () => flushLog(log));
  endProcess(log, exitCode);
  return exitCode;
}

interface Basics {
  readonly instanceId: string;
  readonly settings: Settings;
  readonly log: Log;
}

async function live(options: RunOptions, basics: Basics): Promise<number> {
  const { settings, log, instanceId } = basics;
  const life = new Lifecycle({ log, drainTimeoutMs: settings.drainTimeoutMs });
  const { supervised } = settings;
  handleProcessEvents({ log, clock: systemClock, supervised, stop: (why) => life.stop(why) });
  warnOfUnknownVariables(log);
  const opened = new Disposal();
  try {
    const version = packageVersion(options.moduleUrl);
    opened.use(await startTelemetry({ service: options.name, instanceId, version, log }));
    const context = contextOf(options.name, version, basics, life.stopping);
    await openAdmin(opened, options, context, life);
    return await life.run(() => options.start(context));
  } catch (err) {
    return startFailed(log, err);
  } finally {
    await opened[Symbol.asyncDispose]();
  }
}

function contextOf(
  name: ServiceName,
  version: string,
  basics: Basics,
  stopping: AbortSignal,
): ServiceContext {
  const metrics = createMetrics(name);
  return { name, version, ...basics, metrics, clock: systemClock, ids: systemIds, stopping };
}

/** Before the service, so that probes see "starting" while it connects. */
async function openAdmin(
  opened: Disposal,
  { name, schema }: RunOptions,
  { settings, metrics, version, log }: ServiceContext,
  life: Lifecycle,
): Promise<void> {
  const listen = settings.services[name].admin;
  const readiness = () => life.readiness();
  const about = { service: name, version, schema };
  const admin = opened.use(await startAdmin({ listen, metrics, readiness, version: about }));
  log.info(
    { admin_port: admin.port, pid: process.pid, version, node: process.version },
    "starting",
  );
}

function settingsOrProblems(service: ServiceName): Settings | EnvError {
  try {
    const settings = readSettings();
    requireDatabase(settings, service);
    return settings;
  } catch (error) {
    if (error instanceof EnvError) return error;
    throw error;
  }
}

function openLog(service: string, instanceId: string, settings: Settings | EnvError): Log {
  if (settings instanceof EnvError) {
    return createLog({ service, instanceId, level: "info", keys: "none" });
  }
  const { logLevel: level, logKeys: keys, clusterSecret: keySecret } = settings;
  return createLog({ service, instanceId, level, keys, keySecret });
}

function warnOfUnknownVariables(log: Log): void {
  for (const { name, meant } of unknownVariables(knownVariables, process.env, "LANEKEEPER_")) {
    const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
    log.warn(
      { variable: name },
      `${name} is not a variable of Lanekeeper and has no effect${hint}`,
    );
  }
}

/** Host and pid for people; the rest because a container's pid is the same at every start. */
function newInstanceId(): string {
  return `${hostname()}-${process.pid}-${randomBytes(3).toString("hex")}`;
}

/** Lets the process end by itself, and ends it if something was left open. */
function endProcess(log: Log, exitCode: number): void {
  process.exitCode = exitCode;
  const cutOff = setTimeout(() => {
    log.warn({ open: process.getActiveResourcesInfo() }, "still alive after closing: ending");
    process.exit(exitCode);
  }, LINGER_MS);
  cutOff.unref();
}
