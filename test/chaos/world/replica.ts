import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import type { ServiceName } from "@lanekeeper/service";
import { eventually } from "@lanekeeper/testing";
import type { Link } from "./link.ts";

export interface ReplicaOptions {
  readonly service: ServiceName;
  /** 1 or 2. */
  readonly number: number;
  /** What node is told before the name of the service: the program, or one with a planted fault. */
  readonly program: readonly string[];
  /** The program that dies at a point of its code, by the point's name. */
  readonly armed: (point: string) => readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where its log goes, over all its lives. */
  readonly log: string;
  /** Leads to its gRPC, whichever port that has. */
  readonly grpc: Link;
  /** Leads to ingress' HTTP. */
  readonly http?: Link;
}

/** A process that should have been ready by then, on two busy cores. */
const READY_MS = 60_000;

/** A start takes some seconds; then a busy service comes by each point at once. */
const ARMED_MS = 15_000;

/** Longer than a line of a service that has just started. */
const TAIL_CHARS = 4_096;

/** One replica of one service: a process that is started again whenever it ends. */
export class Replica implements AsyncDisposable {
  readonly name: string;
  readonly service: ServiceName;
  readonly grpc: Link;
  readonly #options: ReplicaOptions;
  readonly #log: WriteStream;
  #child: ChildProcess | undefined;
  #admin = 0;
  #tail = "";
  #point: string | undefined;
  #restarts = -1;
  #isPaused = false;
  #isOver = false;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.service = options.service;
    this.name = `${options.service}-${options.number}`;
    this.grpc = options.grpc;
    this.#log = createWriteStream(options.log, { flags: "a" });
    this.#start();
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Resolves when its `/readyz` says so. */
  async ready(): Promise<void> {
    const isReady = async () => this.#admin !== 0 && (await this.#get("/readyz")).ok;
    await eventually(isReady, { timeoutMs: READY_MS, pollMs: 50, what: `${this.name} is ready` });
  }

  /** Resident bytes, as it tells them itself; undefined while it does not answer. */
  async residentBytes(): Promise<number | undefined> {
    const bytes = /^process_resident_memory_bytes\S* (\S+)/m.exec((await this.metrics()) ?? "");
    return bytes === null ? undefined : Number(bytes[1]);
  }

  /** What its `/metrics` says; undefined while it does not answer. */
  async metrics(): Promise<string | undefined> {
    const response = await this.#get("/metrics").catch(() => undefined);
    return response?.text().catch(() => undefined);
  }

  kill(): void {
    this.#child?.kill("SIGKILL");
  }

  /** Kills it; its next life ends at a point of the code, or after a while, if it does not come by. */
  async dieAt(point: string): Promise<void> {
    const { restarts } = this;
    this.#point = point;
    this.kill();
    const hasDiedAgain = () => this.restarts >= restarts + 2;
    await eventually(hasDiedAgain, { timeoutMs: ARMED_MS, what: point }).catch(() => this.kill());
  }

  /** Ends it for good, until `start` begins another life. */
  async halt(): Promise<void> {
    this.#isOver = true;
    await this.#end();
  }

  start(): void {
    this.#isOver = false;
    this.#start();
  }

  pause(): void {
    this.#isPaused = true;
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#isPaused = false;
    this.#child?.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.halt();
    this.#log.end();
  }

  async #end(): Promise<void> {
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
  }

  #get(path: string): Promise<Response> {
    const signal = AbortSignal.timeout(2_000);
    return fetch(`http://127.0.0.1:${this.#admin}${path}`, { signal });
  }

  #start(): void {
    const { service, env, armed } = this.#options;
    const program = this.#point === undefined ? this.#options.program : armed(this.#point);
    this.#point = undefined;
    this.#restarts += 1;
    this.#admin = 0;
    this.#tail = "";
    // It ends when its IPC channel does, that is with us, however we end.
    const stdio: ["ignore", "pipe", "pipe", "ipc"] = ["ignore", "pipe", "pipe", "ipc"];
    const child = spawn(process.execPath, [...program, "start", service], { env, stdio });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    }
    child.once("exit", () => {
      if (this.#isOver || this.#child !== child) return;
      this.#start();
      if (this.#isPaused) this.pause();
    });
  }

  #read(text: string): void {
    if (!this.#log.writableEnded) this.#log.write(text);
    const { grpc, http } = this.#options;
    // A line may come in two pieces.
    this.#tail = (this.#tail + text).slice(-TAIL_CHARS);
    const port = (name: string) =>
      Number(new RegExp(`"${name}":(\\d+)[,}](?!.*"${name}")`, "s").exec(this.#tail)?.[1] ?? 0);
    if (port("grpc_port") !== 0) grpc.lead(port("grpc_port"));
    if (port("http_port") !== 0) http?.lead(port("http_port"));
    if (port("admin_port") !== 0) this.#admin = port("admin_port");
  }
}
