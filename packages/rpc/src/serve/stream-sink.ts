import type { Writable } from "node:stream";
import { slowConsumer } from "../errors/constructors.ts";
import type { GrpcStatus } from "./grpc-status.ts";

/** The writing half of a streaming call of grpc-js, with backpressure and one end. */
export class StreamSink {
  readonly #stream: Writable;
  readonly #slowConsumerMs: number;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(stream: Writable, slowConsumerMs: number) {
    this.#stream = stream;
    this.#slowConsumerMs = slowConsumerMs;
    stream.on("drain", () => this.#wake?.());
    stream.on("close", () => this.#wake?.());
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Sends one message; resolves when the next may be written. After the end it does nothing.
   * @throws SLOW_CONSUMER when the reader leaves what is buffered unread for too long.
   */
  async write(bytes: Buffer): Promise<void> {
    if (this.#ended || this.#stream.destroyed) return;
    if (this.#stream.write(bytes)) return;
    await this.#room();
  }

  end(): void {
    if (this.#close()) this.#stream.end();
  }

  /** grpc-js ends the call with the status that its stream emits as an error. */
  fail(status: GrpcStatus): void {
    if (this.#close()) this.#stream.emit("error", status);
  }

  #close(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#wake?.();
    return !this.#stream.destroyed;
  }

  async #room(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const slow = await new Promise<boolean>((resolve) => {
      this.#wake = () => resolve(false);
      timer = setTimeout(() => resolve(true), this.#slowConsumerMs);
    });
    clearTimeout(timer);
    this.#wake = undefined;
    if (slow) throw slowConsumer(`nothing was read for ${this.#slowConsumerMs} ms`);
  }
}
