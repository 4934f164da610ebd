// Loads the bounds of services with short retention in them, see program.js.
import { readFile } from "node:fs/promises";
import type { LoadHook } from "node:module";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import { SHORT_RETENTION, shortened } from "./short-retention.ts";

const ROOT = new URL("../../../", import.meta.url).href;

export const load: LoadHook = async (url, context, nextLoad) => {
  const bounds = SHORT_RETENTION.filter(({ file }) => url === `${ROOT}${file}`);
  if (bounds.length === 0) return nextLoad(url, context);
  const source = bounds.reduce(shortened, await readFile(fileURLToPath(url), "utf8"));
  const options = { loader: "ts", format: "esm", target: "node20.19" } as const;
  const { code } = await transform(source, { ...options, sourcefile: fileURLToPath(url) });
  return { format: "module", source: code, shortCircuit: true };
};
