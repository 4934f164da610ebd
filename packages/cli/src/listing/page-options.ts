import { type Command, InvalidArgumentError } from "commander";

/** Which rows of a list, as every command that lists has it. */
export interface PageOptions {
  /** At most so many rows; Infinity: all. */
  readonly limit: number;
  /** Of an answer to the same question: the rows behind its last. */
  readonly pageToken?: string;
}

/** A screen or two: who wants more says so, and is told that there is more. */
const DEFAULT_LIMIT = 50;

/** Gives a command that lists its `--limit` and `--page-token`. */
export function addPageOptions(command: Command): Command {
  return command
    .option("--limit <count>", 'at most so many, or "all"', limit, DEFAULT_LIMIT)
    .option("--page-token <token>", "go on behind an earlier list of the same question");
}

function limit(text: string): number {
  if (text === "all") return Number.POSITIVE_INFINITY;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a whole number above 0, or "all"');
}
