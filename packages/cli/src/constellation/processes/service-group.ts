import { EXIT, SERVICE_NAMES, type ServiceName } from "@lanekeeper/service";
import { type Death, type ProcessSpec, SupervisedProcess } from "./supervised-process.ts";

/** First who lets work in, then who does it, who sends its replies, and last whom all others ask. */
const STOP_ORDER: readonly ServiceName[] = ["ingress", "runner", "delivery", "session-identity"];

/** A service that dies this often without ever having been ready has something that a restart does not mend. */
const MAX_DEATHS_AT_START = 4;

export interface ServiceGroupOptions {
  readonly spec: (name: ServiceName) => ProcessSpec;
  /** A line for people. */
  readonly tell: (line: string) => void;
  /** A process came or went. */
  readonly changed: () => void;
  /** A service does not come up: the start has failed. Not called once `allReady` was. */
  readonly failed: (error: string) => void;
}

/** The four services of one machine, each started again when it dies. */
export class ServiceGroup {
  readonly #options: ServiceGroupOptions;
  readonly #processes: ReadonlyMap<ServiceName, SupervisedProcess>;
  readonly #starts = new Map<string, number>();
  #hasBeenReady = false;

  constructor(options: ServiceGroupOptions) {
    this.#options = options;
    const events = {
      echo: options.tell,
      started: (name: string, pid: number) => this.#started(name, pid),
      died: (death: Death) => this.#died(death),
      // Once it was ready, what is wrong came later, such as a certificate that is just being replaced.
      isHopeless: (code: number | null) => code === EXIT.badConfiguration && !this.#hasBeenReady,
    };
    this.#processes = new Map(
      SERVICE_NAMES.map((name) => [name, new SupervisedProcess(options.spec(name), events)]),
    );
  }

  start(names: readonly ServiceName[]): void {
    for (const name of names) this.#processes.get(name)?.start();
  }

  /** From now on whoever dies is started again, however often. */
  allReady(): void {
    this.#hasBeenReady = true;
  }

  /** Undefined between a death and the restart. */
  pid(name: ServiceName): number | undefined {
    return this.#processes.get(name)?.pid;
  }

  restarts(name: ServiceName): number {
    return Math.max(0, (this.#starts.get(name) ?? 0) - 1);
  }

  pids(): number[] {
    return SERVICE_NAMES.flatMap((name) => this.pid(name) ?? []);
  }

  /** Ends them all at once, to be started anew with another environment. */
  bounce(): void {
    for (const one of this.#processes.values()) one.bounce();
  }

  /** One after the other, each with `graceMs` to drain. */
  async stop(graceMs: number, force: AbortSignal): Promise<void> {
    for (const name of STOP_ORDER) {
      const one = this.#processes.get(name);
      if (one?.pid !== undefined) this.#options.tell(`stopping ${name}`);
      await one?.stop(graceMs, force);
    }
  }

  #started(name: string, pid: number): void {
    const starts = (this.#starts.get(name) ?? 0) + 1;
    this.#starts.set(name, starts);
    if (starts > 1) this.#options.tell(`${name} started again (pid ${pid})`);
    this.#options.changed();
  }

  #died(death: Death): void {
    const { name, pid, code, signal, restartInMs } = death;
    const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
    const then =
      restartInMs === undefined
        ? "its configuration is wrong"
        : `starting it again in ${restartInMs} ms`;
    this.#options.tell(`${name} (pid ${pid}) ${how}: ${then}`);
    this.#options.changed();
    if (this.#hasBeenReady) return;
    if (restartInMs === undefined)
      this.#options.failed(`${name} cannot start: its configuration is wrong.`);
    else if (death.deaths >= MAX_DEATHS_AT_START) this.#options.failed(`${name} does not come up.`);
  }
}
