import { parseArgs } from "node:util";
import { FULL, QUICK, type Sizes } from "./sizes.ts";

export const PARTS = ["rows", "hot"] as const;
export type Part = (typeof PARTS)[number];

/** What the command line asks for. */
export interface Flags {
  readonly sizes: Sizes;
  readonly quick: boolean;
  readonly only: ReadonlySet<Part>;
  /** A folder for V8 profiles, one per process. */
  readonly cpuProf: string | undefined;
}

/** @throws with a sentence for people */
export function readFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      "cpu-prof": { type: "string" },
    },
  });
  const names = values.only?.split(",") ?? PARTS;
  return {
    sizes: values.quick ? QUICK : FULL,
    quick: values.quick,
    only: new Set(names.map(partOf)),
    cpuProf: values["cpu-prof"],
  };
}

function partOf(name: string): Part {
  const part = PARTS.find((known) => known === name);
  if (part === undefined) throw new Error(`--only takes some of ${PARTS.join(",")}`);
  return part;
}
