// Loads the bounds of services with short retention in them, see program.js.
import { readFile } from "node:fs/promises";
import type { LoadHook } from "node:module";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import { planted } from "../../chaos/mutants/planted.ts";
import { SHORT_RETENTION } from "./short-retention.ts";

const ROOT = new URL("../../../", import.meta.url).href;

export const load: LoadHook = async (url, context, nextLoad) => {
  const patches = SHORT_RETENTION.filter(({ file }) => url === `${ROOT}${file}`);
  if (patches.length === 0) return nextLoad(url, context);
  const source = patches.reduce(planted, await readFile(fileURLToPath(url), "utf8"));
  const options = { loader: "ts", format: "esm", target: "node20.19" } as const;
  const { code } = await transform(source, { ...options, sourcefile: fileURLToPath(url) });
  return { format: "module", source: code, shortCircuit: true };
};
