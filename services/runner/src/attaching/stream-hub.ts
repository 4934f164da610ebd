import { PassingMap } from "@lanekeeper/collections";
import { type Log, UnderWay } from "@lanekeeper/service";
import type { RunnerDeps } from "../deps.ts";
import { Portions } from "./portions.ts";
import { StoredStream } from "./stored-stream.ts";
import type { TurnStream } from "./turn-stream.ts";

type HubDeps = Pick<RunnerDeps, "steps" | "clock" | "log">;

/** The streams of the turns that this replica has claimed. */
export class StreamHub {
  readonly #deps: HubDeps;
  readonly #portions: Portions;
  readonly #streams = new PassingMap<string, StoredStream>();
  readonly #onOpen = new PassingMap<string, Set<() => void>>();
  /** Ends that are being told. */
  readonly #telling = new UnderWay();

  constructor(deps: HubDeps) {
    this.#deps = deps;
    this.#portions = new Portions(deps.clock);
  }

  get(turnId: string): TurnStream | undefined {
    return this.#streams.get(turnId)?.stream;
  }

  /** Called when the turn is claimed here. Gives the function that takes the listener away. */
  onOpen(turnId: string, listener: () => void): () => void {
    const listeners = this.#onOpen.get(turnId) ?? new Set();
    this.#onOpen.set(turnId, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#onOpen.get(turnId) === listeners)
        this.#onOpen.delete(turnId);
    };
  }

  open(tenant: string, turnId: string, log: Log = this.#deps.log): StoredStream {
    const { steps, clock } = this.#deps;
    this.#streams.get(turnId)?.close();
    const parts = { steps, clock, log, portions: this.#portions };
    const stored = new StoredStream(parts, tenant, turnId, () => {
      if (this.#streams.get(turnId) === stored) this.#streams.delete(turnId);
      const { stream } = stored;
      if (stream.state === "ended" && stream.isRead) this.#telling.add(stream.unread());
    });
    this.#streams.set(turnId, stored);
    for (const listener of this.#onOpen.get(turnId) ?? []) listener();
    return stored;
  }

  /** Resolves once all who read of a turn that has ended here were told so. */
  told(): Promise<void> {
    return this.#telling.settled();
  }
}
