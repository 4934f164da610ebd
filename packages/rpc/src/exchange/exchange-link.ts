import type { ClientDuplexStream } from "@grpc/grpc-js";
import { backoffMs } from "../client/retry.ts";
import { Code } from "../errors/code.ts";
import type { RpcError } from "../errors/rpc-error.ts";
import type { ExchangeClientLimits } from "./exchange-client-limits.ts";
import type { ExchangeShape } from "./exchange-shape.ts";
import { ExchangeStream } from "./exchange-stream.ts";

/** What stands behind a link: how to open its stream, and how to close its connection. */
export interface LinkTransport {
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
    this.#dialled = undefined;
    this.#stream?.retire();
    this.#stream = undefined;
  }

  #dial(nowMs: number): void {
    if (this.#dialled !== undefined || nowMs < this.#notBeforeMs) return;
    const stream: ExchangeStream = new ExchangeStream(this.#shape, this.#transport.open(), {
      opened: () => this.#opened(stream),
      ended: (error) => this.#ended(stream, error),
    });
    this.#dialled = stream;
  }

  #opened(stream: ExchangeStream): void {
    if (this.#dialled !== stream) return;
    this.#dialled = undefined;
    this.#stream?.retire();
    this.#stream = stream;
    this.#failures = 0;
    this.#replaceAtMs = Date.now() + this.#limits.maxAgeMs * (0.9 + Math.random() * 0.2);
  }

  #ended(stream: ExchangeStream, error: RpcError): void {
    if (this.#dialled !== stream && this.#stream !== stream) return; // retired before: no failure
    if (this.#dialled === stream) this.#dialled = undefined;
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
