import { parseArgs } from "node:util";
import { FULL, QUICK, type Sizes } from "./sizes.ts";

/** What the command line asks for. */
export interface Flags {
  readonly sizes: Sizes;
  /** A folder for V8 profiles, one per process. */
  readonly cpuProf: string | undefined;
}

/** @throws with a sentence for people */
export function readFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: { quick: { type: "boolean", default: false }, "cpu-prof": { type: "string" } },
  });
  return { sizes: values.quick ? QUICK : FULL, cpuProf: values["cpu-prof"] };
}
