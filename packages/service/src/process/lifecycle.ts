import { EnvError } from "../settings/env.ts";
import { EXIT } from "./exit-codes.ts";
import type { Log } from "../telemetry/log.ts";
import { notReady, type Readiness } from "./readiness.ts";
import { type Finish, finishWithin } from "../waiting/within.ts";

/** What a service's `start` gives. Disposal closes whatever `start` opened. */
export interface RunningService extends AsyncDisposable {
  /** Whether it can serve now; asked by `/readyz` while it neither starts nor drains. */
  ready(): Readiness | Promise<Readiness>;
  /**
   * Takes no new work and lets what is in progress finish. `signal` is aborted when the drain timeout
   * has passed; disposal follows at once.
   */
  drain(signal: AbortSignal): Promise<void>;
}

export type ServiceState =
  | { readonly kind: "starting" }
  | { readonly kind: "ready" }
  | { readonly kind: "draining"; readonly because: string }
  | { readonly kind: "stopped"; readonly exitCode: number };

export interface LifecycleOptions {
  readonly log: Log;
  readonly drainTimeoutMs: number;
  readonly closeTimeoutMs?: number;
}

/** Closing is giving back connections and files; what takes longer than this hangs. */
const CLOSE_TIMEOUT_MS = 5_000;

/** starting → ready → draining → stopped, each with a bound on how long it may take once a stop is asked for. */
export class Lifecycle {
  readonly #options: LifecycleOptions;
  readonly #stopping = new AbortController();
  #state: ServiceState = { kind: "starting" };
  #service: RunningService | undefined;

  constructor(options: LifecycleOptions) {
    this.#options = options;
  }

  get state(): ServiceState {
    return this.#state;
  }

  /** Aborted as soon as a stop is asked for, also during the start. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Unready from this moment on. The first call counts. */
  stop(because: string): void {
    if (this.stopping.aborted || this.#state.kind === "stopped") return;
    this.#options.log.info({ because }, "draining");
    this.#state = { kind: "draining", because };
    this.#stopping.abort(new Error(`stopping: ${because}`));
  }

  async readiness(): Promise<Readiness> {
    if (this.#state.kind === "ready" && this.#service) return this.#service.ready();
    if (this.#state.kind === "draining") return notReady(`draining: ${this.#state.because}`);
    return notReady(this.#state.kind);
  }

  /** Starts, serves until `stop`, drains, closes. Gives the exit code; does not reject. */
  async run(start: () => Promise<RunningService>): Promise<number> {
    const service = await this.#start(start);
    if (typeof service === "number") return this.#stopped(service);
    this.#service = service;
    if (!this.stopping.aborted) {
      this.#state = { kind: "ready" };
      this.#options.log.info("ready");
    }
    await aborted(this.stopping);
    const drained = await this.#drain(service);
    const closed = await this.#close(service);
    const isClean = drained.kind !== "failed" && closed.kind === "done";
    return this.#stopped(isClean ? EXIT.stopped : EXIT.failed);
  }

  /**
   * Gives an exit code where no service came up. A start that is told to stop gets as much time to come
   * to its end as a drain, and may then reject: that is no failure.
   */
  async #start(start: () => Promise<RunningService>): Promise<RunningService | number> {
    if (this.stopping.aborted) return EXIT.stopped;
    const starting = start();
    const settled = starting.then(noop, noop);
    await Promise.race([settled, aborted(this.stopping)]);
    const finish = await finishWithin(this.#options.drainTimeoutMs, () => starting);
    if (finish.kind === "done") return starting;
    if (finish.kind === "failed" && this.stopping.aborted) return EXIT.stopped;
    const { log } = this.#options;
    if (finish.kind === "failed") return startFailed(log, finish.error);
    log.error("the start did not end in time");
    return EXIT.failed;
  }

  async #drain(service: RunningService): Promise<Finish> {
    const { drainTimeoutMs, log } = this.#options;
    const timeUp = new AbortController();
    const finish = await finishWithin(drainTimeoutMs, () => service.drain(timeUp.signal));
    timeUp.abort(new Error(`the drain timeout of ${drainTimeoutMs} ms has passed`));
    if (finish.kind === "late") {
      log.warn(
        { drain_timeout_ms: drainTimeoutMs },
        "drain timeout: closing with work in progress",
      );
    }
    if (finish.kind === "failed") log.error({ err: finish.error }, "drain failed");
    return finish;
  }

  async #close(service: RunningService): Promise<Finish> {
    const timeoutMs = this.#options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS;
    const finish = await finishWithin(timeoutMs, () => service[Symbol.asyncDispose]());
    if (finish.kind === "late") this.#options.log.error({ timeout_ms: timeoutMs }, "close hangs");
    if (finish.kind === "failed") this.#options.log.error({ err: finish.error }, "close failed");
    return finish;
  }

  #stopped(exitCode: number): number {
    this.#state = { kind: "stopped", exitCode };
    this.#options.log.info({ exit_code: exitCode }, "stopped");
    return exitCode;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function noop(): void {}

/** Says why a start came to nothing: a sentence per variable where that is it. Gives the exit code. */
export function startFailed(log: Log, err: unknown): number {
  if (err instanceof EnvError) return refuseEnvironment(log, err);
  log.fatal({ err }, "start failed");
  return EXIT.failed;
}

/** Names each variable that is wrong. Gives the exit code. */
export function refuseEnvironment(log: Log, { problems }: EnvError): number {
  for (const { variable, sentence } of problems) log.fatal({ variable }, sentence);
  return EXIT.badConfiguration;
}
