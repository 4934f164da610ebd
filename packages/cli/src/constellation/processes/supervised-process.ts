import { type ChildProcess, spawn } from "node:child_process";
import { type Env, finishWithin } from "@lanekeeper/service";
import { EchoScanner } from "./echo.ts";
import type { LogFile } from "./log-file.ts";

/** How a service's process is started. */
export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Asked at every start: an address may have changed since the last. */
  readonly env: () => Env;
  readonly log: LogFile;
}

/** How a process ended that nobody had told to. */
export interface Death {
  readonly name: string;
  readonly pid: number;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Deaths in a row, none of which came after a long life. */
  readonly deaths: number;
  /** When it starts again; undefined: never, since its configuration is wrong. */
  readonly restartInMs: number | undefined;
}

export interface ProcessEvents {
  /** Warnings, errors and crashes, as a line for people. */
  echo(line: string): void;
  started(name: string, pid: number): void;
  died(death: Death): void;
  /** Whether starting it again after this end is of no use. */
  isHopeless(code: number | null): boolean;
}

/** The first restart comes fast, so that callers who retry do not notice; then ever slower. */
const RESTART = { firstMs: 200, factor: 2, maxMs: 10_000 };
/** Who lived this long had started well: its next death counts as the first. */
const LONG_LIFE_MS = 30_000;

/** A process that is started again when it dies, until it is stopped. */
export class SupervisedProcess {
  readonly #spec: ProcessSpec;
  readonly #events: ProcessEvents;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #restart: NodeJS.Timeout | undefined;
  #stopping = false;
  #deaths = 0;

  constructor(spec: ProcessSpec, events: ProcessEvents) {
    this.#spec = spec;
    this.#events = events;
  }

  get name(): string {
    return this.#spec.name;
  }

  /** Undefined between a death and the restart. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    this.#restart = undefined;
    const bornMs = performance.now();
    const child = this.#spawn();
    if (child === undefined) return this.#died({ pid: 0, code: null, signal: null }, bornMs);
    this.#child = child;
    this.#ended = this.#watch(child, bornMs);
    if (child.pid !== undefined) this.#events.started(this.name, child.pid);
  }

  /** Undefined where the system makes no process now, as for want of memory; most such errors are events. */
  #spawn(): ChildProcess | undefined {
    const { command, args, env } = this.#spec;
    try {
      // Detached: a Ctrl-C in the terminal is for the supervisor, which stops its services in order.
      return spawn(command, args, {
        env: env(),
        detached: true,
        stdio: ["ignore", "pipe", "pipe", "ipc"],
      });
    } catch (error) {
      this.#events.echo(`${this.name}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  /** Ends it at once; it is started again. */
  bounce(): void {
    this.#child?.kill("SIGKILL");
  }

  /** SIGTERM, then, after `graceMs` or when `force` is aborted, SIGKILL. Resolves when it is gone. */
  async stop(graceMs: number, force: AbortSignal): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (child === undefined) return;
    const kill = () => void child.kill("SIGKILL");
    if (force.aborted) kill();
    force.addEventListener("abort", kill, { once: true });
    child.kill("SIGTERM");
    const finish = await finishWithin(graceMs, () => this.#ended);
    if (finish.kind === "late") kill();
    await this.#ended;
    force.removeEventListener("abort", kill);
  }

  async #watch(child: ChildProcess, bornMs: number): Promise<void> {
    const output = [child.stdout, child.stderr].map((stream) => this.#record(stream));
    const { code, signal } = await exitOf(child, (error) =>
      this.#events.echo(`${this.name}: ${error.message}`),
    );
    this.#child = undefined;
    // What it left running may still hold its output open; the log is not worth waiting for.
    await finishWithin(1_000, () => Promise.all(output));
    if (!this.#stopping) this.#died({ pid: child.pid ?? 0, code, signal }, bornMs);
  }

  #died(end: Pick<Death, "pid" | "code" | "signal">, bornMs: number): void {
    if (performance.now() - bornMs > LONG_LIFE_MS) this.#deaths = 0;
    this.#deaths += 1;
    const restartInMs = this.#events.isHopeless(end.code) ? undefined : this.#delayMs();
    this.#events.died({ name: this.name, ...end, deaths: this.#deaths, restartInMs });
    if (restartInMs !== undefined) this.#restart = setTimeout(() => this.start(), restartInMs);
  }

  #delayMs(): number {
    return Math.min(RESTART.maxMs, RESTART.firstMs * RESTART.factor ** (this.#deaths - 1));
  }

  async #record(stream: NodeJS.ReadableStream | null): Promise<void> {
    const scanner = new EchoScanner(this.name, (line) => this.#events.echo(line));
    for await (const chunk of stream ?? []) {
      const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
      scanner.take(bytes);
      await this.#spec.log.append(bytes);
    }
    scanner.end();
  }
}

function exitOf(
  child: ChildProcess,
  failed: (error: Error) => void,
): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.on("error", (error) => {
      failed(error);
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
  });
}
