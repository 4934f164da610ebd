import { fileURLToPath, pathToFileURL } from "node:url";
import { bundle } from "../bundle/bundle.js";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PROGRAM = {
  root: ROOT,
  entry: "packages/cli/src/main.ts",
  cache: `${ROOT}node_modules/.cache/lanekeeper`,
};

/**
 * Loads the program from its bundle, or, where none can be kept, such as in a read-only folder, module by
 * module.
 *
 * @returns what its main module exports
 */
export async function load(options = PROGRAM) {
  const path = await bundle(options).catch(() => undefined);
  if (path !== undefined) return (await import(pathToFileURL(path).href)).default;
  await import("./typescript.js");
  return import(pathToFileURL(`${options.root}/${options.entry}`).href);
}
