// Strips the types of a module when Node loads it. Not with tsx, which has esbuild keep the names of
// functions by a call for each function made, closures of the hot path included: that was a third of
// session-identity's CPU time. V8 names functions after their places in the source by itself.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { stop, transform } from "esbuild";
import { OPTIONS } from "./esbuild-options.js";

/** esbuild works in a process of its own, which a service has no use for once it has started. */
const IDLE_MS = 5_000;
let idle;

export async function load(url, context, nextLoad) {
  if (!url.startsWith("file:") || !url.endsWith(".ts")) return nextLoad(url, context);
  clearTimeout(idle);
  const sourcefile = fileURLToPath(url);
  const options = { ...OPTIONS, loader: "ts", sourcemap: "inline", sourcefile };
  const { code } = await transform(await readFile(sourcefile, "utf8"), options);
  clearTimeout(idle);
  idle = setTimeout(() => void stop(), IDLE_MS).unref();
  return { format: "module", source: code, shortCircuit: true };
}
