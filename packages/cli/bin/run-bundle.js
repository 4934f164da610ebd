// Runs what was put together, with what V8 has made of it before.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import vm from "node:vm";
import { CodeCache } from "./code-cache.js";
import { mapTraces } from "./traces.js";

/** The name of the script in a bundle's folder. */
export const SCRIPT = "main.js";

/**
 * @param {string} folder of a bundle
 * @returns what its entry exports
 */
export function runBundle(folder) {
  const filename = join(folder, SCRIPT);
  mapTraces(folder, filename);
  const code = new CodeCache(folder);
  const script = new vm.Script(readFileSync(filename, "latin1"), {
    filename,
    cachedData: code.read(),
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  code.keep(script);
  const module = { exports: {} };
  script.runInThisContext()(createRequire(filename), module, module.exports);
  return module.exports;
}
