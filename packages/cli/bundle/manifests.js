import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** @returns {string} the path of the manifest of the package that a folder belongs to */
export function manifestOf(folder) {
  const path = join(folder, "package.json");
  return existsSync(path) ? path : manifestOf(dirname(folder));
}
