// Runs what was put together, with what V8 has made of it before.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import vm from "node:vm";
import { CodeCache } from "./code-cache.js";
import { mapTraces } from "./traces.js";

/** The script of the entry, in a bundle's folder. */
export const MAIN_SCRIPT = "main.js";

/**
 * @param {string} folder of a bundle
 * @param {string} [name] of one of its scripts
 * @returns what the module exports that the script was made of
 */
export function runBundle(folder, name = MAIN_SCRIPT) {
  const filename = join(folder, name);
  mapTraces(filename);
  const code = new CodeCache(folder, name);
  const script = new vm.Script(readFileSync(filename, "latin1"), {
    filename,
    cachedData: code.read(),
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  code.keep(script);
  const module = { exports: {} };
  const runOther = (other) => runBundle(folder, other);
  script.runInThisContext()(createRequire(filename), module, module.exports, runOther);
  return module.exports;
}
