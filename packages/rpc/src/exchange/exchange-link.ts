import type { Client, ClientDuplexStream } from "@grpc/grpc-js";
import { backoffMs } from "../client/retry.ts";
import { Code } from "../errors/code.ts";
import type { RpcError } from "../errors/rpc-error.ts";
import type { ExchangeClientLimits } from "./exchange-client-limits.ts";
import type { ExchangeShape } from "./exchange-shape.ts";
import { ExchangeStream } from "./exchange-stream.ts";

/** What stands behind a link: its connection, and how to open a stream in it. */
export interface LinkTransport {
  readonly channel: Client;
  open(): ClientDuplexStream<Buffer, Buffer>;
  close(): void;
}

/** The stream to one replica, redialled when it breaks and replaced when it grows old. */
export class ExchangeLink {
  readonly #shape: ExchangeShape;
  readonly #limits: ExchangeClientLimits;
  readonly #transport: LinkTransport;
  #stream: ExchangeStream | undefined;
  #dialled: ExchangeStream | undefined;
  #failures = 0;
  #notBeforeMs = 0;
  #replaceAtMs = 0;
  #usedMs = 0;
  /** No stream is open, and one that was asked for was not opened in time. */
  #isUnanswered = false;
  #whenDialled: (() => void)[] = [];

  constructor(shape: ExchangeShape, limits: ExchangeClientLimits, transport: LinkTransport) {
    this.#shape = shape;
    this.#limits = limits;
    this.#transport = transport;
  }

  /** The open stream if it has room; opens one in the background where that is due. */
  pick(nowMs: number): ExchangeStream | undefined {
    this.#usedMs = nowMs;
    const stream = this.#stream?.usable ? this.#stream : undefined;
    if (stream === undefined || nowMs >= this.#replaceAtMs) this.#dial(nowMs);
    return stream !== undefined && stream.inFlight < this.#limits.maxInFlight ? stream : undefined;
  }

  /** Calls to this replica alone. */
  get channel(): Client {
    return this.#transport.channel;
  }

  /** The replica is known not to answer; from its first word on it is like any other. */
  get isSilent(): boolean {
    return this.#stream?.usable === true ? this.#stream.isSilent : this.#isUnanswered;
  }

  /** Asks the replica whether it is there: in its stream, or by opening one. True where that cannot be told. */
  answers(nowMs: number): Promise<boolean> {
    this.#usedMs = nowMs;
    if (this.#stream?.usable === true) return this.#stream.answers();
    this.#dial(nowMs);
    if (this.#dialled === undefined) return Promise.resolve(true);
    return new Promise((resolve) => {
      // What came while this process stood still is read before the immediate.
      const timer = setTimeout(() => setImmediate(late), this.#limits.answerMs);
      const late = () => {
        this.#isUnanswered = this.#dialled !== undefined;
        resolve(!this.#isUnanswered);
      };
      this.#whenDialled.push(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  closeIfIdle(nowMs: number): void {
    if (nowMs - this.#usedMs >= this.#limits.idleMs) this.#drop();
  }

  /** Takes no further calls; those on the way are answered, then the connection is closed. */
  retire(): void {
    this.#drop();
    this.#notBeforeMs = Number.POSITIVE_INFINITY;
    this.#transport.close();
  }

  /** Ends everything now. */
  close(): void {
    this.#stream?.cancel();
    this.retire();
  }

  #drop(): void {
    this.#dialled?.cancel();
    this.#notDialling();
    this.#stream?.retire();
    this.#stream = undefined;
  }

  #dial(nowMs: number): void {
    if (this.#dialled !== undefined || nowMs < this.#notBeforeMs) return;
    const duplex = this.#transport.open();
    const stream: ExchangeStream = new ExchangeStream(this.#shape, this.#limits, duplex, {
      opened: () => this.#opened(stream),
      leaving: () => this.#left(stream),
      ended: (error) => this.#ended(stream, error),
    });
    this.#dialled = stream;
  }

  #notDialling(): void {
    this.#dialled = undefined;
    this.#isUnanswered = false;
    for (const tell of this.#whenDialled.splice(0)) tell();
  }

  #opened(stream: ExchangeStream): void {
    if (this.#dialled !== stream) return;
    this.#notDialling();
    this.#stream?.retire();
    this.#stream = stream;
    this.#failures = 0;
    this.#replaceAtMs = Date.now() + this.#limits.maxAgeMs * (0.9 + Math.random() * 0.2);
  }

  /** Calls go elsewhere for a while: a stream that was opened again at once would be told the same. */
  #left(stream: ExchangeStream): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.#notBeforeMs = Math.max(this.#notBeforeMs, Date.now() + this.#limits.leavingMs);
  }

  #ended(stream: ExchangeStream, error: RpcError): void {
    if (this.#dialled !== stream && this.#stream !== stream) return; // retired before: no failure
    if (this.#dialled === stream) this.#notDialling();
    else this.#stream = undefined;
    this.#failures += 1;
    this.#notBeforeMs = Math.max(this.#notBeforeMs, Date.now() + this.#waitMs(error));
  }

  #waitMs(error: RpcError): number {
    if (REFUSED.has(error.code)) return this.#limits.refusedMs;
    const { redialMs: initialBackoffMs, maxRedialMs: maxBackoffMs } = this.#limits;
    return backoffMs({ maxAttempts: 0, initialBackoffMs, maxBackoffMs }, this.#failures);
  }
}

/** The server has no Exchange, or not for us: unary calls do the same. */
const REFUSED: ReadonlySet<Code> = new Set([
  Code.UNIMPLEMENTED,
  Code.PERMISSION_DENIED,
  Code.UNAUTHENTICATED,
]);
