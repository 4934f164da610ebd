// Loads the module that a planted fault is in with its text replaced, see program.js.
import { readFile } from "node:fs/promises";
import type { LoadHook } from "node:module";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import { type Mutant, MUTANTS } from "./mutants.ts";
import { planted } from "./planted.ts";

const ROOT = new URL("../../../", import.meta.url).href;

let mutant: Mutant | undefined;

export function initialize(name: string): void {
  mutant = MUTANTS.find((known) => known.name === name);
  if (mutant === undefined) throw new Error(`there is no planted fault ${name}`);
}

export const load: LoadHook = async (url, context, nextLoad) => {
  if (mutant === undefined || url !== `${ROOT}${mutant.file}`) return nextLoad(url, context);
  const source = planted(await readFile(fileURLToPath(url), "utf8"), mutant);
  const options = { loader: "ts", format: "esm", target: "node20.19" } as const;
  const { code } = await transform(source, { ...options, sourcefile: mutant.file });
  return { format: "module", source: code, shortCircuit: true };
};
