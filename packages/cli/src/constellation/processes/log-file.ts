import type { WriteStream } from "node:fs";
import { rename, stat } from "node:fs/promises";
import { openOwnFile } from "@lanekeeper/embedded-postgres";

/** A log is kept to twice this: the current file and the one before, "<name>.1". */
const MAX_BYTES = 10_000_000;

/** A file that was removed or moved away, by hand or by logrotate, is missed after this long. */
const LOOK_MS = 1_000;

/** Appends what a service writes to its file, within bounds, in order. */
export class LogFile implements AsyncDisposable {
  readonly path: string;
  readonly #maxBytes: number;
  readonly #lookMs: number;
  #stream: WriteStream | undefined;
  /** Of the file that is written. */
  #inode = 0;
  #lookedMs = 0;
  #bytes = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(path: string, { maxBytes = MAX_BYTES, lookMs = LOOK_MS } = {}) {
    this.path = path;
    this.#maxBytes = maxBytes;
    this.#lookMs = lookMs;
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
      if (performance.now() - this.#lookedMs >= this.#lookMs) await this.#look();
      if (this.#stream === undefined) await this.#open();
      if (this.#bytes + chunk.length > this.#maxBytes && this.#bytes > 0) await this.#rotate();
      this.#bytes += chunk.length;
      await new Promise<void>((resolve) => this.#stream?.write(chunk, () => resolve()));
    } catch {
      this.#stream = undefined;
    }
  }

  /** Lets go of a file that stands there no more. */
  async #look(): Promise<void> {
    this.#lookedMs = performance.now();
    const there = await stat(this.path).catch(() => undefined);
    if (there?.ino !== this.#inode) await this.#close();
    // Others may have emptied it.
    else this.#bytes = there.size;
  }

  async #open(): Promise<void> {
    const file = await openOwnFile(this.path);
    const { size, ino } = await file.stat();
    this.#bytes = size;
    this.#inode = ino;
    const stream = file.createWriteStream();
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
