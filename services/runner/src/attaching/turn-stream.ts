import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { sizeDelimitedEncode } from "@bufbuild/protobuf/wire";
import {
  type AttachTurnResponse,
  AttachTurnResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { mergeDeltas } from "../domain/merge-deltas.ts";
import { firstStreamSeq } from "../domain/stream-seq.ts";
import type { EventChunk } from "../store/attaching/turn-events.ts";

type Event = NonNullable<MessageInitShape<typeof AttachTurnResponseSchema>["event"]>;

const endOfTick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** How a stream is read. `isPatient`: text alone wakes the reader not; what comes later brings it along. */
export interface ReadOptions {
  readonly isPatient?: boolean;
}

interface Reader {
  readonly isPatient: boolean;
  /** Called once for each time that it waits. */
  wake: () => void;
}

const awake = (): void => undefined;

/** Open: the turn is claimed or runs here. Ended: `ended` was told. Detached: look elsewhere. */
export type StreamState = "open" | "ended" | "detached";

/**
 * What one run of this replica tells its turn's callers. Those who read are never waited for. Text that
 * comes word by word is one event for all that has gathered when somebody looks: a caller, or who stores
 * it. So each event has the same number and text for everybody.
 */
export class TurnStream {
  readonly #events: AttachTurnResponse[] = [];
  /** Text that is no event yet. */
  #words: string[] = [];
  readonly #readers = new Set<Reader>();
  readonly #onPending: (bytes: number) => void;
  #nextSeq = firstStreamSeq(1);
  #stored = 0;
  #pendingBytes = 0;
  #state: StreamState = "open";
  readonly #unread: (() => void)[] = [];

  /** @param onPending told how much is not yet stored, with each event. */
  constructor(onPending: (bytes: number) => void = () => undefined) {
    this.#onPending = onPending;
  }

  get state(): StreamState {
    return this.#state;
  }

  /** The number that the next event gets. */
  get nextSeq(): bigint {
    this.#gather();
    return this.#nextSeq;
  }

  /** The run's place among the turn's is known once it has begun. */
  begin(ordinal: number): void {
    this.#nextSeq = firstStreamSeq(ordinal);
  }

  emit(event: Event): void {
    if (this.#state !== "open") return;
    if (event.case === "textDelta") {
      this.#words.push(event.value);
      this.#pendingBytes += event.value.length;
    } else {
      this.#push(event);
      this.#pendingBytes += 64;
    }
    this.#onPending(this.#pendingBytes);
    this.#wake(event.case === "textDelta");
  }

  /** The last event. It is told from the turn's row elsewhere, so it is not stored as an event. */
  end(ended: Event): void {
    if (this.#state !== "open") return;
    this.#push(ended);
    this.#finish("ended");
  }

  /** This replica tells no more of the turn. */
  detach(): void {
    if (this.#state === "open") this.#finish("detached");
  }

  /** What was told and not yet stored; undefined: nothing. */
  takePending(): EventChunk | undefined {
    this.#gather();
    const pending = this.#events.slice(this.#stored).filter(({ event }) => event.case !== "ended");
    const [firstEvent, last] = [pending[0], pending.at(-1)];
    this.#stored += pending.length;
    this.#pendingBytes = 0;
    if (firstEvent === undefined || last === undefined) return undefined;
    const body = Buffer.concat(
      pending.map((event) => sizeDelimitedEncode(AttachTurnResponseSchema, event)),
    );
    return { firstSeq: firstEvent.streamSeq, lastSeq: last.streamSeq, body };
  }

  /** Events after a number, as they come, until the stream ends or is detached. */
  async *read(
    afterSeq: bigint,
    signal: AbortSignal,
    { isPatient = false }: ReadOptions = {},
  ): AsyncGenerator<AttachTurnResponse> {
    const reader: Reader = { isPatient, wake: awake };
    const abort = (): void => wake(reader);
    signal.addEventListener("abort", abort, { once: true });
    this.#readers.add(reader);
    let at = 0;
    try {
      for (;;) {
        while (this.#hasMore(at)) {
          const gathered = this.#events.slice(at);
          at += gathered.length;
          yield* mergeDeltas(gathered.filter(({ streamSeq }) => streamSeq > afterSeq));
        }
        if (this.#state !== "open") return;
        await untilWoken(reader, signal);
        // A model's words come many at a time; what came by then is one message and not twenty.
        await endOfTick();
      }
    } finally {
      signal.removeEventListener("abort", abort);
      this.#readers.delete(reader);
      if (!this.isRead) for (const resolve of this.#unread.splice(0)) resolve();
    }
  }

  get isRead(): boolean {
    return this.#readers.size > 0;
  }

  /** Resolves once nobody reads: of a stream that has ended all were told the end, or have left. */
  unread(): Promise<void> {
    if (!this.isRead) return Promise.resolve();
    return new Promise((resolve) => void this.#unread.push(resolve));
  }

  /** Asked again after each event that was taken: more may have come meanwhile. */
  #hasMore(at: number): boolean {
    this.#gather();
    return at < this.#events.length;
  }

  /** Makes an event of the text that has come since the last one. */
  #gather(): void {
    if (this.#words.length === 0) return;
    const value = this.#words.join("");
    this.#words = [];
    this.#add({ case: "textDelta", value });
  }

  #push(event: Event): void {
    this.#gather();
    this.#add(event);
  }

  #add(event: Event): void {
    this.#events.push(create(AttachTurnResponseSchema, { streamSeq: this.#nextSeq, event }));
    this.#nextSeq += 1n;
  }

  #finish(state: StreamState): void {
    this.#gather();
    this.#state = state;
    this.#wake(false);
  }

  #wake(isText: boolean): void {
    for (const reader of this.#readers) if (!isText || !reader.isPatient) wake(reader);
  }
}

/** @throws the signal's reason */
async function untilWoken(reader: Reader, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve) => {
    reader.wake = resolve;
  });
  signal.throwIfAborted();
}

function wake(reader: Reader): void {
  const resume = reader.wake;
  reader.wake = awake;
  resume();
}
