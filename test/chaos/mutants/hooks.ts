// Loads the module that a planted fault or an armed point is in with its text replaced, see program.js.
import { readFile } from "node:fs/promises";
import type { LoadHook } from "node:module";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import { POINTS } from "../faults/points.ts";
import { MUTANTS } from "./mutants.ts";
import { type Patch, planted } from "./planted.ts";

const ROOT = new URL("../../../", import.meta.url).href;

let patch: Patch | undefined;

export function initialize(name: string): void {
  patch = [...MUTANTS, ...POINTS].find((known) => known.name === name);
  if (patch === undefined) throw new Error(`there is no planted fault ${name}`);
}

export const load: LoadHook = async (url, context, nextLoad) => {
  if (patch === undefined || url !== `${ROOT}${patch.file}`) return nextLoad(url, context);
  const source = planted(await readFile(fileURLToPath(url), "utf8"), patch);
  const options = { loader: "ts", format: "esm", target: "node20.19" } as const;
  const { code } = await transform(source, { ...options, sourcefile: patch.file });
  return { format: "module", source: code, shortCircuit: true };
};
