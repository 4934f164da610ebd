import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import type { ServiceName } from "@lanekeeper/service";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "@lanekeeper/testing";
import type { Order, Reached } from "../inside/order.ts";
import type { Link } from "./link.ts";

export interface ReplicaOptions {
  readonly service: ServiceName;
  /** 1 or 2. */
  readonly number: number;
  /** What node is told before `start` and the name of the service. */
  readonly program: readonly string[];
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

/** A busy service comes by each point within the second; one that was just started needs some more. */
const ARMED_MS = 8_000;

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
  #reached: string | undefined;
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

  /** Of its process now; undefined: it has none. */
  get pid(): number | undefined {
    return this.#child?.pid;
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

  /** Whether there was a process to be killed. */
  kill(): boolean {
    return this.#child?.kill("SIGKILL") ?? false;
  }

  /** It dies when it comes by a point of its code for the `pass`th time, if it does so soon. */
  async dieAt(point: string, pass: number): Promise<boolean> {
    const { restarts } = this;
    return this.#armed({ point, pass, signal: "SIGKILL" }, () => this.restarts > restarts);
  }

  /** It stands still there instead, for so long. */
  async pauseAt(point: string, pass: number, ms: number): Promise<boolean> {
    const stops = await this.#armed(
      { point, pass, signal: "SIGSTOP" },
      () => this.#reached === point,
    );
    if (!stops) return false;
    await sleep(ms);
    this.resume();
    return true;
  }

  /** Its clock is so much ahead of the others', until it is set again or another life begins. */
  setClock(aheadMs: number): void {
    this.#order({ kind: "clock", aheadMs });
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

  /** Whether there was a process to be stopped; one that is started meanwhile is stopped, too. */
  pause(): boolean {
    this.#isPaused = true;
    return this.#child?.kill("SIGSTOP") ?? false;
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

  async #armed(
    how: Omit<Extract<Order, { kind: "arm" }>, "kind">,
    isDone: () => boolean,
  ): Promise<boolean> {
    this.#reached = undefined;
    this.#order({ kind: "arm", ...how });
    const done = eventually(isDone, { timeoutMs: ARMED_MS, what: how.point });
    const came = await done.then(
      () => true,
      () => false,
    );
    if (came) return true;
    this.#order({ kind: "disarm" });
    // It may have come by in between.
    this.resume();
    return false;
  }

  /** Who is starting or dying just now does not hear it. */
  #order(order: Order): void {
    if (this.#child?.connected === true) this.#child.send(order, () => undefined);
  }

  #get(path: string): Promise<Response> {
    const signal = AbortSignal.timeout(2_000);
    return fetch(`http://127.0.0.1:${this.#admin}${path}`, { signal });
  }

  #start(): void {
    const { service, env, program } = this.#options;
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
    child.on("message", (message) => {
      if (this.#child === child) this.#reached = (message as Reached).reached;
    });
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
