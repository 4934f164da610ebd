import { join } from "node:path";
import {
  Disposal,
  type Env,
  SERVICE_NAMES,
  type ServiceName,
  type Settings,
  linkedSignal,
} from "@lanekeeper/service";
import { CliError } from "../cli-error.ts";
import type { DataDir } from "./folder/data-dir.ts";
import { atPort, type Database, openDatabase, type ServiceUrls } from "./database/database.ts";
import { Guard } from "./processes/guard.ts";
import { LogFile } from "./processes/log-file.ts";
import type { PortPlan } from "./ports/ports.ts";
import type { Credentials } from "./folder/secrets.ts";
import { serviceEnv } from "./ports/service-env.ts";
import { processLives } from "./processes/process-life.ts";
import { ServiceGroup } from "./processes/service-group.ts";
import { stateOf } from "./folder/state.ts";
import { unlessStopped } from "./processes/stop-request.ts";
import { removeState, writeState } from "./folder/state-file.ts";
import { untilReady } from "./processes/wait-ready.ts";

/** How `lanekeeper start <service>` is run; tests put a small program in its place. */
export interface ServiceProgram {
  readonly command: string;
  readonly args: (service: ServiceName) => readonly string[];
}

export interface ConstellationOptions {
  readonly settings: Settings;
  readonly env: Env;
  readonly dir: DataDir;
  readonly ports: PortPlan;
  readonly credentials: Credentials;
  readonly program: ServiceProgram;
  /** Makes roles, schemas and tables; gives each service its URL. */
  readonly prepare: (database: Database) => Promise<ServiceUrls>;
  readonly tell: (line: string) => void;
  /** Stop in order; also calls off a start. */
  readonly stop: AbortSignal;
  /** Stop at once. */
  readonly force: AbortSignal;
}

/** Beyond its drain timeout a service closes what it opened, in at most 5 s; then it is ended. */
export const CLOSE_ALLOWANCE_MS = 7_000;
/** Four services start in some 5 s on two cores; a small machine under load takes a minute. */
const START_TIMEOUT_MS = 180_000;
const TELL_WAIT_MS = 10_000;
const BEHIND_INGRESS = SERVICE_NAMES.filter((name) => name !== "ingress");

/** Database, services and guard of one data dir. Disposal stops all of it, in order. */
export class Constellation implements AsyncDisposable {
  readonly #options: ConstellationOptions;
  readonly #opened = new Disposal();
  readonly #failure = new AbortController();
  #ready = false;
  #database: Database | undefined;
  #services: ServiceGroup | undefined;
  #guard: Guard | undefined;
  #written: Promise<void> = Promise.resolve();

  constructor(options: ConstellationOptions) {
    this.#options = options;
  }

  /**
   * Everything up to the moment when all services are ready. Ingress is the door, and comes last: once those
   * behind it are ready and `beforeIngress` is done. Rejects when `stop` is aborted.
   */
  async start(beforeIngress: () => Promise<void> = async () => {}): Promise<void> {
    const { tell, prepare } = this.#options;
    this.#openGuard();
    this.#database = this.#opened.use(await this.#openDatabase());
    tell(this.#database.about);
    const urls = await unlessStopped(this.#options.stop, prepare(this.#database));
    const services = this.#openServices(urls);
    await this.#startServices(services, BEHIND_INGRESS);
    await unlessStopped(this.#options.stop, beforeIngress());
    await this.#startServices(services, ["ingress"]);
    services.allReady();
    // Whoever was told that all is ready finds it written; what could not be written was told.
    await this.#written.catch(() => undefined);
  }

  /** The configuration is applied: what waits for `ready` in the state file may come. */
  async markReady(): Promise<void> {
    this.#ready = true;
    await this.#write();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened[Symbol.asyncDispose]();
  }

  #openGuard(): void {
    const guard = new Guard(this.#graceMs());
    this.#guard = guard;
    this.#opened.defer(async () => {
      await guard.done();
      // What could not be written, as on a full disk, was told; it goes now.
      await this.#written.catch(() => undefined);
      await removeState(this.#options.dir);
    });
  }

  #openDatabase(): Promise<Database> {
    const { settings, dir, tell, stop } = this.#options;
    // From its first moment on: a kill during a long recovery would leave it running.
    const spawned = (pid: number) => this.#guard?.postgres(pid);
    const changed = (pid: number | undefined) => {
      this.#guard?.postgres(pid);
      this.#changed();
    };
    const moved = () => this.#services?.bounce();
    return openDatabase({ settings, dir, tell, stopping: stop, spawned, changed, moved });
  }

  async #startServices(group: ServiceGroup, names: readonly ServiceName[]): Promise<void> {
    group.start(names);
    this.#options.tell(`starting ${names.join(", ")}`);
    await this.#untilReady(names);
  }

  #openServices(urls: ServiceUrls): ServiceGroup {
    const { tell, force, program, dir } = this.#options;
    const services = new ServiceGroup({
      spec: (name) => ({
        name,
        command: program.command,
        args: program.args(name),
        env: () => this.#serviceEnv(name, urls[name]),
        log: this.#opened.use(new LogFile(join(dir.logs, `${name}.log`))),
      }),
      tell,
      changed: () => {
        this.#guard?.services(services.pids());
        this.#changed();
      },
      failed: (sentence) => this.#failure.abort(new CliError(`${sentence} See ${dir.logs}.`)),
    });
    this.#services = services;
    this.#opened.defer(() => services.stop(this.#graceMs(), force));
    return services;
  }

  #serviceEnv(name: ServiceName, url: string): Env {
    const { env: base, dir, ports, credentials, settings } = this.#options;
    // A URL of its own leads to another server than the embedded one.
    const isOwn = settings.services[name].ownDatabaseUrl !== undefined;
    const databaseUrl = isOwn ? url : atPort(url, this.#database?.server);
    return serviceEnv(name, { base, dataDir: dir.path, ports, credentials, databaseUrl });
  }

  async #untilReady(names: readonly ServiceName[]): Promise<void> {
    const { stop, ports, tell, dir } = this.#options;
    const waiting = new Map<ServiceName, readonly string[]>();
    const late = AbortSignal.timeout(START_TIMEOUT_MS);
    using linked = linkedSignal(stop, this.#failure.signal, late);
    const { signal } = linked;
    const teller = setInterval(() => tell(stillWaiting(waiting)), TELL_WAIT_MS);
    try {
      await Promise.all(
        names.map(async (name) => {
          await untilReady(ports.services[name].admin, signal, (reasons) =>
            waiting.set(name, reasons),
          );
          waiting.delete(name);
          tell(`${name} ready`);
        }),
      );
    } catch (error) {
      if (!late.aborted || stop.aborted || this.#failure.signal.aborted) throw error;
      const sentence = `The services are not ready after ${START_TIMEOUT_MS / 1_000} s`;
      throw new CliError(`${sentence} (${stillWaiting(waiting)}): see ${dir.logs}.`);
    } finally {
      clearInterval(teller);
    }
  }

  #graceMs(): number {
    return this.#options.settings.drainTimeoutMs + CLOSE_ALLOWANCE_MS;
  }

  #changed(): void {
    this.#write().catch((error: unknown) =>
      this.#options.tell(`run/constellation.json: ${String(error)}`),
    );
  }

  /** One after the other, so that the last written is the latest. */
  #write(): Promise<void> {
    const write = async () => {
      const { env, dir, ports, credentials } = this.#options;
      const { apiKeyFile } = credentials;
      const server = this.#database?.server;
      const services = this.#services;
      const lives = await processLives(services?.pids() ?? []);
      const ready = this.#ready;
      await writeState(
        dir,
        stateOf({ env, dir, ports, apiKeyFile, server, services, ready, lives }),
      );
    };
    this.#written = this.#written.then(write, write);
    return this.#written;
  }
}

function stillWaiting(waiting: ReadonlyMap<ServiceName, readonly string[]>): string {
  const parts = [...waiting].map(([name, reasons]) => `${name}: ${reasons.join(", ")}`);
  return `waiting for ${parts.join("; ")}`;
}
