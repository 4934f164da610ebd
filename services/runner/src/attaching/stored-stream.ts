import type { RunnerDeps } from "../deps.ts";
import { LIMITS } from "../limits.ts";
import { persist } from "../persist.ts";
import type { Portioned, Portions } from "./portions.ts";
import { TurnStream } from "./turn-stream.ts";

interface StoredParts extends Pick<RunnerDeps, "steps" | "clock" | "log"> {
  readonly portions: Portions;
}

/** A stream of which what was told is stored, portion by portion, until its turn ends. */
export class StoredStream implements Portioned {
  readonly stream: TurnStream;
  readonly turnId: string;
  readonly #parts: StoredParts;
  readonly #tenant: string;
  readonly #onClose: () => void;
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: StoredParts, tenant: string, turnId: string, onClose: () => void) {
    this.#parts = parts;
    this.#tenant = tenant;
    this.turnId = turnId;
    this.#onClose = onClose;
    this.stream = new TurnStream((bytes) => this.#due(bytes));
  }

  /** Stops storing and waits for a write under way: the rest goes with the turn's end. */
  async settle(): Promise<void> {
    this.#parts.portions.remove(this);
    await this.#writing;
  }

  /** The turn is not this replica's any more, or has ended. */
  close(): void {
    this.#parts.portions.remove(this);
    this.stream.detach();
    this.#onClose();
  }

  flush(): void {
    this.#parts.portions.remove(this);
    const chunk = this.stream.takePending();
    if (chunk === undefined) return;
    const { steps, log } = this.#parts;
    const said = { tenant: this.#tenant, turnId: this.turnId, chunk };
    this.#writing = this.#writing
      // Those attached here have it; elsewhere what comes after it would follow a gap.
      .then(() => persist(this.#parts, "store events", () => steps.append(said)))
      .catch((err: unknown) => log.warn({ err, turn_id: said.turnId }, "events not stored"));
  }

  #due(pendingBytes: number): void {
    if (pendingBytes >= LIMITS.streamFlushBytes) this.flush();
    else this.#parts.portions.add(this);
  }
}
