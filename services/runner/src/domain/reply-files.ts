import type { FilePart } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";

export interface FileLimits {
  readonly filesPerTurn: number;
  readonly fileBytes: number;
  readonly fileBytesPerTurn: number;
}

/** Files that a turn's tools have made, and that go with its answer: as many as fit, the first ones first. */
export class ReplyFiles {
  readonly #limits: FileLimits;
  readonly #files: FilePart[] = [];
  #bytes = 0;

  constructor(limits: FileLimits) {
    this.#limits = limits;
  }

  /** In the order in which they were made. */
  get all(): readonly FilePart[] {
    return this.#files;
  }

  /** Takes what a call made. Gives what fits, and what the model is to be told of all of it. */
  take(made: readonly FilePart[]): { readonly kept: readonly FilePart[]; readonly note: string } {
    const kept = made.filter((file) => this.#fits(file) && this.#add(file));
    const lines = kept.map((file) => `[${nameOf(file)}: goes with your answer]`);
    const left = made.length - kept.length;
    if (left > 0) lines.push(`[files left out: ${left}; ${this.#bounds()}]`);
    return { kept, note: lines.join("\n") };
  }

  /** Those of an earlier run of the turn. */
  adopt(files: readonly FilePart[]): void {
    for (const file of files) this.#add(file);
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
    return `an answer takes ${filesPerTurn} files of ${fileBytes} bytes, ${fileBytesPerTurn} bytes together`;
  }
}

/** The bytes of its data, or of its address. */
export function bytesOf({ source }: FilePart): number {
  return source.case === "data" ? source.value.length : Buffer.byteLength(source.value ?? "");
}

function nameOf(file: FilePart): string {
  const name = file.fileName === "" ? "file" : file.fileName;
  return `${name}, ${file.mediaType || "application/octet-stream"}, ${bytesOf(file)} bytes`;
}
