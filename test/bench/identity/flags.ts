import { parseArgs } from "node:util";
import { FULL, QUICK, type Sizes } from "./sizes.ts";

export const TARGETS = ["a", "b", "c", "d", "e"] as const;
export type Target = (typeof TARGETS)[number];

/** What the command line asks for. */
export interface Flags {
  readonly sizes: Sizes;
  readonly quick: boolean;
  readonly only: ReadonlySet<Target>;
  /** A folder for V8 profiles, one of each process: service, empty RPC, callers. */
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
  const names = values.only?.split(",") ?? TARGETS;
  const only = new Set(names.map(targetOf));
  return {
    sizes: values.quick ? QUICK : FULL,
    quick: values.quick,
    only,
    cpuProf: values["cpu-prof"],
  };
}

function targetOf(name: string): Target {
  const target = TARGETS.find((known) => known === name);
  if (target === undefined) throw new Error(`--only takes some of ${TARGETS.join(",")}`);
  return target;
}
