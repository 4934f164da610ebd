/** What a person told the scripted model to do, line by line. */
export interface Directives {
  /** `!sleep 3s` or `!sleep 250ms`: take this long before answering. */
  readonly sleepMs: number;
  /** `!tool <name> <json arguments>`, in order. */
  readonly tools: readonly { readonly name: string; readonly argumentsJson: string }[];
}

/** Longest sleep that is obeyed: a lane is not to be held for ever by a line of text. */
const MAX_SLEEP_MS = 10 * 60_000;

/** Reads the directives of a message; lines that are none are plain text. */
export function readDirectives(text: string): Directives {
  const lines = text.split("\n").map((line) => line.trim());
  return {
    sleepMs: Math.min(
      MAX_SLEEP_MS,
      lines.reduce((sum, line) => sum + sleepOf(line), 0),
    ),
    tools: lines.flatMap(toolOf),
  };
}

function sleepOf(line: string): number {
  const [, amount, unit] = /^!sleep (\d{1,6})(ms|s)$/.exec(line) ?? [];
  return amount === undefined ? 0 : Number(amount) * (unit === "s" ? 1000 : 1);
}

function toolOf(line: string): { name: string; argumentsJson: string }[] {
  const [, name, argumentsJson = "{}"] =
    /^!tool ([a-zA-Z0-9_-]{1,64})(?:\s+(.+))?$/.exec(line) ?? [];
  return name === undefined ? [] : [{ name, argumentsJson }];
}
