import type { JsonValue } from "@bufbuild/protobuf";

/** Where a command speaks to a person, or, with `--json`, to a program. */
export interface Output {
  /** One line for people, also where what it tells of has several: they would look like lines of ours. */
  line(text: string): void;
  /** Whole lines, as they are: a document, or a part of one. */
  text(text: string): void;
  /** What went wrong, in a line or more. */
  problem(text: string): void;
  /** Aborted once nobody reads the lines any more: `lanekeeper … watch | head` ends. */
  readerLeft(): AbortSignal;
}

const leaving = new AbortController();

/** What a terminal obeys instead of showing it, and what has it show letters in another order. */
const NOT_SHOWN = /(?![\n\t])[\p{Cc}\p{Bidi_Control}]/gu;

/**
 * The text with such characters written out, as JSON has them, so that a document stays the same document. Keys,
 * notes and errors hold what people on the other side of a channel wrote.
 */
export function printable(text: string): string {
  return text.replace(
    NOT_SHOWN,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The same for a text that is to stay one line. */
export function oneLine(text: string): string {
  return printable(text).replaceAll("\n", "\\n");
}

/** Lines on standard output, problems on standard error. */
export const terminal: Output = {
  line: (text) => void process.stdout.write(`${oneLine(text)}\n`),
  text: (text) => void process.stdout.write(`${printable(text)}\n`),
  problem: (text) => void process.stderr.write(`${printable(text)}\n`),
  readerLeft: () => leaving.signal,
};

/** A document for programs, in protobuf's JSON where it holds messages. */
export function documentText(value: JsonValue): string {
  return JSON.stringify(value, undefined, 2);
}

/** What `--json` asks for. */
export function showJson(output: Output, value: JsonValue): void {
  output.text(documentText(value));
}

/** A terminal that was closed, or a pipe whose reader left, is no reason to stop in the middle. */
export function outliveReaders(): void {
  process.stdout.on("error", () => leaving.abort());
  process.stderr.on("error", () => undefined);
}
