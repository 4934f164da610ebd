import type fc from "fast-check";
import { textOf } from "../../domain/message-text.ts";
import type { ModelEvent, ModelRequest } from "../../models/model.ts";
import { type Gate, gate } from "../gate.ts";
import { end } from "../model-double.ts";
import type { Attached } from "../requests.ts";
import type { Replica, World } from "../world.ts";
import type { TurnFacts } from "./facts.ts";
import type { Keys } from "./keys.ts";

/** Two replicas whose statements and model answers a scheduler puts in order, and a lane of its own. */
export class Stage {
  readonly key: string;
  readonly world: World;
  readonly keys: Keys;
  readonly scheduler: fc.Scheduler;
  readonly replicas: Replica[] = [];
  readonly turns: TurnFacts[] = [];
  readonly attached = new Map<string, { readonly caller: Attached; readonly replica: Replica }>();
  readonly cancelled = new Set<string>();
  readonly released: Gate = gate();
  #isOver = false;

  constructor(world: World, keys: Keys, scheduler: fc.Scheduler, key: string) {
    this.world = world;
    this.keys = keys;
    this.scheduler = scheduler;
    this.key = key;
    world.model.behaviour = (request) => this.#answer(request);
  }

  async *#answer({ messages, signal }: ModelRequest): AsyncIterable<ModelEvent> {
    const last = messages.at(-1);
    const text = last === undefined ? "" : textOf(last);
    yield { type: "text", text: "echo: " };
    if (text.startsWith("hold")) await untilAborted(signal, this.released.opened);
    await this.turn("model");
    signal.throwIfAborted();
    yield { type: "text", text };
    yield end();
  }

  /** Whoever awaits it goes on when the scheduler says so. */
  async turn(label: string): Promise<void> {
    if (!this.#isOver) await this.scheduler.schedule(Promise.resolve(), label);
  }

  async start(at: number): Promise<void> {
    const beforeStatement = () => this.turn(`replica ${at}`);
    this.replicas[at] = await this.world.replica({ beforeStatement, leaseMs: 5_000 });
  }

  /** Lets what is scheduled happen, one thing at a time, until the work is done. */
  async drive<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    done.catch(() => undefined);
    while (!isDone) {
      if (this.scheduler.count() > 0) await this.scheduler.waitNext(1);
      else await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return done;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.released.open();
    const stopped = Promise.all(this.replicas.map((replica) => replica.stop()));
    await this.drive(stopped);
  }

  at(n: 0 | 1): Replica {
    return this.replicas[n] as Replica;
  }

  /** Every lease ends now. */
  async expireLeases(): Promise<void> {
    await this.keys.expireLeases();
    await this.world.expireLeases();
  }
}

function untilAborted(signal: AbortSignal, released: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    void released.then(resolve);
  });
}
