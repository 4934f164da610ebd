import { parseArgs } from "node:util";

export interface SoakFlags {
  readonly seconds: number;
  readonly seed: number;
  /** Nothing is swept: retention as in the product, which is days. What grows then has to be found. */
  readonly keepEverything: boolean;
  /** The record of a run that is judged again, instead of a new one; undefined: a new one. */
  readonly judge: string | undefined;
}

/** What is kept for two minutes, swept and vacuumed, has come to its size in the first five. */
const LEAST_MINUTES = 10;

/** `--hours 2`, or `--minutes 20`; `--seed 7`; `--keep-everything`; or `--judge <record>`. */
export function parseSoakFlags(args: readonly string[]): SoakFlags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      hours: { type: "string" },
      minutes: { type: "string" },
      seed: { type: "string" },
      "keep-everything": { type: "boolean" },
      judge: { type: "string" },
    },
  });
  if (values.hours !== undefined && values.minutes !== undefined) {
    throw new Error("--hours or --minutes, not both");
  }
  const minutes =
    values.minutes === undefined ? 60 * Number(values.hours ?? 2) : Number(values.minutes);
  if (!(minutes >= LEAST_MINUTES)) throw new Error(`at least ${LEAST_MINUTES} minutes`);
  const seed = Number(values.seed ?? 1);
  if (!Number.isSafeInteger(seed)) throw new Error("--seed is a whole number");
  const keepEverything = values["keep-everything"] === true;
  return { seconds: minutes * 60, seed, keepEverything, judge: values.judge };
}
