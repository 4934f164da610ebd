import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createRunnerClient, type RunnerClient } from "@lanekeeper/client";
import { serviceCredential } from "@lanekeeper/rpc";
import { bundledProgram } from "@lanekeeper/testing";
import type { ReplicaNews, ReplicaOrder } from "./replica-process.ts";

const PROGRAM = fileURLToPath(new URL("./replica-process.ts", import.meta.url));

/** A replica in a process of its own. */
export class SpawnedReplica implements AsyncDisposable {
  readonly client: RunnerClient;
  readonly news: ReplicaNews[];
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess, news: ReplicaNews[], port: number, secret: string) {
    this.#child = child;
    this.#exited = once(child, "exit");
    this.news = news;
    this.client = createRunnerClient({
      target: `127.0.0.1:${port}`,
      credential: serviceCredential("ingress", secret),
      defaults: { tenant: "t1", principal: "p1" },
    });
  }

  static async start(order: ReplicaOrder): Promise<SpawnedReplica> {
    const program = await bundledProgram(PROGRAM);
    const child = fork(program, { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
    const news: ReplicaNews[] = [];
    const serving = new Promise<number>((resolve, reject) => {
      child.once("exit", () => reject(new Error("the replica ended before it served")));
      child.on("message", (one: ReplicaNews) => {
        news.push(one);
        if (one.kind === "serving") resolve(one.port);
      });
    });
    child.send(order);
    return new SpawnedReplica(child, news, await serving, order.secret);
  }

  /** How often its model was asked. */
  get asked(): number {
    return this.news.filter(({ kind }) => kind === "asked").length;
  }

  get isDead(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  say(word: "go"): void {
    this.#child.send(word);
  }

  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.$close();
    if (this.isDead) return;
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}
