import { fromBinary, type Message } from "@bufbuild/protobuf";
import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import { PassingMap } from "@lanekeeper/collections";
import type { Status } from "@lanekeeper/protocol/google/rpc/status";
import { abortError, onAbort } from "../client/abort.ts";
import { Code } from "../errors/code.ts";
import { fromGrpcError, fromStatus } from "../errors/from-status.ts";
import { hasReason } from "../errors/lanekeeper-error.ts";
import { RpcError } from "../errors/rpc-error.ts";
import { cancelled, deadlineExceeded } from "../serve/deadline.ts";
import type { ExchangeClientLimits } from "./exchange-client-limits.ts";
import { callFrame, cancelFrame, type OutgoingFrame, pingFrame } from "./frame-codec.ts";
import type { ExchangeShape, ResponseFrame } from "./exchange-shape.ts";
import { grouped, groupsOf, readingMore } from "./grouped-frames.ts";
import { Silence } from "./silence.ts";

type Duplex = ClientDuplexStream<Buffer, Buffer>;

/**
 * Told, until it says true, that the replica is silent: another was asked. `giveUp` ends the call here, and
 * has the replica told of it.
 */
export type OnSilent = (giveUp: () => void) => boolean;

interface Pending {
  readonly deadlineMs: number;
  onSilent: OnSilent | undefined;
  resolve(answer: Message): void;
  reject(error: RpcError): void;
}

/** What the owner of a stream is told. */
export interface StreamEvents {
  /** The server took the stream: calls may be sent. */
  opened(): void;
  /** The server is shutting down, and has said so to a call. */
  leaving(): void;
  /** The stream takes no further calls. */
  ended(error: RpcError): void;
}

/** Deadlines within a stream are looked at this often; a frame's server keeps the exact one too. */
const SWEEP_MS = 20;

/** One Exchange stream: many calls on the way at once, each settled by its own answer. */
export class ExchangeStream {
  readonly #shape: ExchangeShape;
  readonly #duplex: Duplex;
  readonly #pending = new PassingMap<bigint, Pending>();
  readonly #events: StreamEvents;
  readonly #silence: Silence;
  /** Who asked whether the replica is there. */
  #asking: ((isThere: boolean) => void)[] = [];
  #lastCallId = 0n;
  /** Frames of this tick, for a server that reads them together. */
  #outbox: Buffer[] = [];
  #serverReadsMore = false;
  #hasSaid = false;
  #retired = false;
  #error: RpcError | undefined;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(
    shape: ExchangeShape,
    limits: Pick<ExchangeClientLimits, "silentMs" | "answerMs">,
    duplex: Duplex,
    events: StreamEvents,
  ) {
    this.#shape = shape;
    this.#duplex = duplex;
    this.#events = events;
    this.#silence = new Silence(limits, SWEEP_MS);
    duplex.on("metadata", () => events.opened());
    duplex.on("data", (bytes: Buffer) => this.#receive(bytes));
    duplex.on("error", (error: ServiceError) => this.#fail(fromGrpcError(error)));
    duplex.on("end", () => this.#fail(streamClosed()));
  }

  get inFlight(): number {
    return this.#pending.size;
  }

  get usable(): boolean {
    return !this.#retired && this.#error === undefined;
  }

  /** The replica owes answers and does not even say that it is there. */
  get isSilent(): boolean {
    return this.#silence.isSilent;
  }

  /** Asks the replica whether it is there. True where the stream breaks: its calls are told of that. */
  answers(): Promise<boolean> {
    if (!this.usable) return Promise.resolve(true);
    if (this.isSilent) return Promise.resolve(false);
    return new Promise((resolve) => {
      if (this.#asking.push(resolve) > 1) return;
      this.#silence.asked();
      this.#ping();
      this.#sweepFrom(0);
    });
  }

  /** Sends one call. Rejects with its refusal, or UNAVAILABLE when the stream breaks first. */
  call(
    frame: OutgoingFrame,
    deadlineMs: number,
    signals: readonly AbortSignal[],
    onSilent?: OnSilent,
  ): Promise<Message> {
    const callId = (this.#lastCallId += 1n);
    return new Promise((resolve, reject) => {
      const forget = onAbort(signals, () => this.#give(callId, abortError(signals) ?? cancelled()));
      this.#pending.set(callId, {
        deadlineMs,
        onSilent,
        resolve: (answer) => {
          forget();
          resolve(answer);
        },
        reject: (error) => {
          forget();
          reject(error);
        },
      });
      this.#sweepFrom(deadlineMs);
      this.#write(callFrame(this.#shape, callId, deadlineMs - Date.now(), frame));
    });
  }

  /** Takes no further calls, and closes when those on the way are answered. */
  retire(): void {
    this.#retired = true;
    this.#endIfDone();
  }

  cancel(): void {
    this.#duplex.cancel();
  }

  #write(frame: Buffer): void {
    const { groupedRequests, groupedResponses } = this.#shape;
    if (this.#serverReadsMore) {
      if (this.#outbox.push(frame) === 1) process.nextTick(() => this.#flush());
      return;
    }
    const says = !this.#hasSaid && groupedRequests !== undefined && groupedResponses !== undefined;
    this.#hasSaid = true;
    this.#send(says ? readingMore(frame, groupedRequests) : frame);
  }

  #flush(): void {
    const frames = this.#outbox;
    const fields = this.#shape.groupedRequests;
    this.#outbox = [];
    if (fields === undefined || this.#error !== undefined) return;
    for (const group of groupsOf(frames)) this.#send(grouped(group, fields));
  }

  /**
   * Past the stream's own queue, which hands the next message on only when the last was flushed: so
   * Node writes what is sent in one go together. The calls on the way bound what may pile up, and an
   * open stream has no pending metadata that a message could overtake.
   */
  #send(message: Buffer): void {
    this.#duplex.call?.sendMessageWithContext({}, message);
  }

  #ping(): void {
    this.#write(pingFrame((this.#lastCallId += 1n)));
  }

  #tellAsking(isThere: boolean): void {
    for (const tell of this.#asking.splice(0)) tell(isThere);
  }

  #receive(bytes: Buffer): void {
    this.#silence.heard();
    this.#tellAsking(true);
    let frame: ResponseFrame;
    try {
      frame = fromBinary(this.#shape.method.output, bytes) as unknown as ResponseFrame;
    } catch (error) {
      this.#fail(new RpcError(Code.INTERNAL, "a frame does not decode", { cause: error }));
      this.#duplex.cancel();
      return;
    }
    if (frame.readsMore === true) this.#serverReadsMore = true;
    this.#settle(frame);
    for (const other of frame.more ?? []) this.#settle(other);
  }

  #settle(frame: ResponseFrame): void {
    const pending = this.#take(frame.callId);
    if (frame.result.case !== "error") {
      pending?.resolve(frame.result.value as Message);
      return;
    }
    const error = fromStatus(frame.result.value as Status);
    if (hasReason(error, "DRAINING")) {
      this.retire();
      this.#events.leaving();
    }
    pending?.reject(error);
  }

  #take(callId: bigint): Pending | undefined {
    const pending = this.#pending.get(callId);
    this.#pending.delete(callId);
    this.#endIfDone();
    return pending;
  }

  #endIfDone(): void {
    if (!this.#retired || this.#pending.size > 0) return;
    this.#flush();
    this.#duplex.end();
  }

  /** The caller waits no longer; the server is told, so that it stops too. */
  #give(callId: bigint, error: RpcError): void {
    if (!this.#pending.has(callId)) return;
    this.#write(cancelFrame(this.#shape, callId));
    this.#take(callId)?.reject(error);
  }

  #fail(error: RpcError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    clearInterval(this.#sweeper);
    this.#tellAsking(true);
    const lost = new RpcError(Code.UNAVAILABLE, `the stream broke: ${error.message}`, {
      cause: error,
      remote: true,
    });
    for (const pending of this.#pending.values()) pending.reject(lost);
    this.#pending.clear();
    this.#events.ended(error);
  }

  /** One timer for all calls of the stream, while there are any with a deadline. */
  #sweepFrom(deadlineMs: number): void {
    if (this.#sweeper !== undefined || deadlineMs === Number.POSITIVE_INFINITY) return;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
  }

  #sweep(): void {
    const now = Date.now();
    for (const [callId, { deadlineMs }] of this.#pending.entries()) {
      if (deadlineMs <= now) this.#give(callId, deadlineExceeded());
    }
    this.#listen();
    if (this.#pending.size > 0 || this.#asking.length > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  #listen(): void {
    if (this.#silence.look()) this.#ping();
    if (!this.isSilent) return;
    this.#tellAsking(false);
    for (const [callId, pending] of this.#pending.entries()) {
      const giveUp = () => this.#give(callId, cancelled());
      if (pending.onSilent?.(giveUp) === true) pending.onSilent = undefined;
    }
  }
}

function streamClosed(): RpcError {
  return new RpcError(Code.UNAVAILABLE, "the server closed the stream", { remote: true });
}
