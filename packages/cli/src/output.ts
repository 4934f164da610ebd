import type { JsonValue } from "@bufbuild/protobuf";

/** Where a command speaks to a person, or, with `--json`, to a program. */
export interface Output {
  /** One line for people. */
  line(text: string): void;
  /** One line about something that went wrong. */
  problem(text: string): void;
}

/** Lines on standard output, problems on standard error. */
export const terminal: Output = {
  line: (text) => void process.stdout.write(`${text}\n`),
  problem: (text) => void process.stderr.write(`${text}\n`),
};

/** A document for programs, in protobuf's JSON where it holds messages. */
export function jsonText(value: JsonValue): string {
  return JSON.stringify(value, undefined, 2);
}

/** Aborted once nobody reads standard output any more: `lanekeeper … watch | head` ends. */
export function readerLeft(): AbortSignal {
  const leaving = new AbortController();
  process.stdout.once("error", () => leaving.abort());
  return leaving.signal;
}

/** A terminal that was closed, or a pipe whose reader left, is no reason to stop in the middle. */
export function outliveReaders(): void {
  process.stdout.on("error", () => undefined);
  process.stderr.on("error", () => undefined);
}
