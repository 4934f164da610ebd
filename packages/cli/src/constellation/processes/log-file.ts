import type { WriteStream } from "node:fs";
import { rename, stat } from "node:fs/promises";
import { openOwnFile } from "@lanekeeper/embedded-postgres";

/** A log is kept to twice this: the current file and the one before, "<name>.1". */
const MAX_BYTES = 10_000_000;

/** Appends what a service writes to its file, within bounds, in order. */
export class LogFile implements AsyncDisposable {
  readonly path: string;
  readonly #maxBytes: number;
  #stream: WriteStream | undefined;
  #bytes = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(path: string, maxBytes: number = MAX_BYTES) {
    this.path = path;
    this.#maxBytes = maxBytes;
  }

  /** Resolves when the file has taken it; wait for that before reading on from the service. */
  append(chunk: Buffer): Promise<void> {
    this.#last = this.#last.then(() => this.#write(chunk));
    return this.#last;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    await this.#close();
  }

  /** A full disk must not take the services down: what cannot be written is lost. */
  async #write(chunk: Buffer): Promise<void> {
    try {
      if (this.#stream === undefined) await this.#open();
      if (this.#bytes + chunk.length > this.#maxBytes && this.#bytes > 0) await this.#rotate();
      this.#bytes += chunk.length;
      await new Promise<void>((resolve) => this.#stream?.write(chunk, () => resolve()));
    } catch {
      this.#stream = undefined;
    }
  }

  async #open(): Promise<void> {
    this.#bytes = await stat(this.path).then(
      ({ size }) => size,
      () => 0,
    );
    const stream = (await openOwnFile(this.path)).createWriteStream();
    stream.on("error", () => {
      this.#stream = undefined;
    });
    this.#stream = stream;
  }

  async #rotate(): Promise<void> {
    await this.#close();
    await rename(this.path, `${this.path}.1`);
    await this.#open();
  }

  async #close(): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    if (stream !== undefined) await new Promise<void>((resolve) => stream.end(() => resolve()));
  }
}
