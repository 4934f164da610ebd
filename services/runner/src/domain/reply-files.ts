import type { FilePart } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";

export interface FileLimits {
  readonly filesPerTurn: number;
  readonly fileBytes: number;
  readonly fileBytesPerTurn: number;
}

const MIB_BYTES = 1024 * 1024;

/** What became of the files that a call made. */
export interface TakenFiles {
  readonly kept: readonly FilePart[];
  readonly leftOut: number;
  /** For the model; empty: nothing was made. */
  readonly note: string;
}

/** Files that a turn's tools have made, and that go with its answer: as many as fit, the first ones first. */
export class ReplyFiles {
  readonly #limits: FileLimits;
  readonly #files: FilePart[] = [];
  #bytes = 0;
  #leftOut = 0;
  #told = 0;

  constructor(limits: FileLimits) {
    this.#limits = limits;
  }

  /** In the order in which they were made. */
  get all(): readonly FilePart[] {
    return this.#files;
  }

  /** Takes what a call made. Gives what fits, how many do not, and what the model is to be told of all. */
  take(made: readonly FilePart[]): TakenFiles {
    const kept = made.filter((file) => this.#fits(file) && this.#add(file));
    const lines = kept.map((file) => `[${nameOf(file)}: goes with your answer]`);
    const leftOut = made.length - kept.length;
    if (leftOut > 0) lines.push(`[files left out: ${leftOut}; ${this.#bounds()}]`);
    this.#leftOut += leftOut;
    return { kept, leftOut, note: lines.join("\n") };
  }

  /** Those of an earlier run of the turn, and how many did not fit then. */
  adopt(files: readonly FilePart[], leftOut: number): void {
    for (const file of files) this.#add(file);
    this.#leftOut += leftOut;
  }

  /** What who asked is to be told of files that are not with the answer; empty: nothing that was not told. */
  tellLeftOut(): string {
    const count = this.#leftOut - this.#told;
    this.#told = this.#leftOut;
    if (count === 0) return "";
    const files = count === 1 ? "A file" : `${count} files`;
    return `(${files} could not be sent with this answer: ${this.#bounds()}.)`;
  }

  #fits(file: FilePart): boolean {
    const { filesPerTurn, fileBytes, fileBytesPerTurn } = this.#limits;
    const bytes = bytesOf(file);
    if (bytes > fileBytes || this.#files.length >= filesPerTurn) return false;
    return this.#bytes + bytes <= fileBytesPerTurn;
  }

  #add(file: FilePart): true {
    this.#files.push(file);
    this.#bytes += bytesOf(file);
    return true;
  }

  #bounds(): string {
    const { filesPerTurn, fileBytes, fileBytesPerTurn } = this.#limits;
    return `an answer takes ${filesPerTurn} files of ${sizeOf(fileBytes)}, ${sizeOf(fileBytesPerTurn)} together`;
  }
}

function sizeOf(bytes: number): string {
  return bytes % MIB_BYTES === 0 ? `${bytes / MIB_BYTES} MiB` : `${bytes} bytes`;
}

/** The bytes of its data, or of its address. */
export function bytesOf({ source }: FilePart): number {
  return source.case === "data" ? source.value.length : Buffer.byteLength(source.value ?? "");
}

function nameOf(file: FilePart): string {
  const name = file.fileName === "" ? "file" : file.fileName;
  return `${name}, ${file.mediaType || "application/octet-stream"}, ${bytesOf(file)} bytes`;
}
