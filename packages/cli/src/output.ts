import type { JsonValue } from "@bufbuild/protobuf";

/** Where a command speaks to a person, or, with `--json`, to a program. */
export interface Output {
  /** One line for people. */
  line(text: string): void;
  /** One line about something that went wrong. */
  problem(text: string): void;
  /** Aborted once nobody reads the lines any more: `lanekeeper … watch | head` ends. */
  readerLeft(): AbortSignal;
}

const leaving = new AbortController();

/** Lines on standard output, problems on standard error. */
export const terminal: Output = {
  line: (text) => void process.stdout.write(`${text}\n`),
  problem: (text) => void process.stderr.write(`${text}\n`),
  readerLeft: () => leaving.signal,
};

/** A document for programs, in protobuf's JSON where it holds messages. */
export function jsonText(value: JsonValue): string {
  return JSON.stringify(value, undefined, 2);
}

/** A terminal that was closed, or a pipe whose reader left, is no reason to stop in the middle. */
export function outliveReaders(): void {
  process.stdout.on("error", () => leaving.abort());
  process.stderr.on("error", () => undefined);
}
