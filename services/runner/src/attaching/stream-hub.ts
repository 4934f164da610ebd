import { type Log, UnderWay } from "@lanekeeper/service";
import { LIMITS } from "../limits.ts";
import { appendEvents } from "../store/attaching/turn-events.ts";
import type { RunnerDeps } from "../deps.ts";
import { persist } from "../persist.ts";
import { TurnStream } from "./turn-stream.ts";

type HubDeps = Pick<RunnerDeps, "db" | "clock" | "log">;

/**
 * The streams of the turns that this replica has claimed. What is said in them reaches the database in
 * portions, so that a token costs no write of its own.
 */
export class StreamHub {
  readonly #deps: HubDeps;
  readonly #streams = new Map<string, StoredStream>();
  readonly #onOpen = new Map<string, Set<() => void>>();
  /** Ends that are being told. */
  readonly #telling = new UnderWay();

  constructor(deps: HubDeps) {
    this.#deps = deps;
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
    const { db, clock } = this.#deps;
    this.#streams.get(turnId)?.close();
    const stored = new StoredStream({ db, clock, log }, tenant, turnId, () => {
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

/** A stream with the timer that stores what was told. */
export class StoredStream {
  readonly stream: TurnStream;
  readonly #deps: HubDeps;
  readonly #tenant: string;
  readonly #turnId: string;
  readonly #onClose: () => void;
  #timer: { cancel(): void } | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: HubDeps, tenant: string, turnId: string, onClose: () => void) {
    this.#deps = deps;
    this.#tenant = tenant;
    this.#turnId = turnId;
    this.#onClose = onClose;
    this.stream = new TurnStream((bytes) => this.#due(bytes));
  }

  /** Stops storing and waits for a write under way: the rest goes with the turn's end. */
  async settle(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#writing;
  }

  /** The turn is not this replica's any more, or has ended. */
  close(): void {
    this.#timer?.cancel();
    this.stream.detach();
    this.#onClose();
  }

  #due(pendingBytes: number): void {
    if (pendingBytes >= LIMITS.streamFlushBytes) return this.#flush();
    this.#timer ??= this.#deps.clock.setTimer(LIMITS.streamFlushMs, () => this.#flush());
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const chunk = this.stream.takePending();
    if (chunk === undefined) return;
    this.#writing = this.#writing
      // Those attached here have it; elsewhere what comes after it would follow a gap.
      .then(() =>
        persist(this.#deps, "store events", () =>
          appendEvents(this.#deps.db, this.#tenant, this.#turnId, chunk),
        ),
      )
      .catch((err: unknown) =>
        this.#deps.log.warn({ err, turn_id: this.#turnId }, "events not stored"),
      );
  }
}
