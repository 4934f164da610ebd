import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Of names and contents. The name of the folder counts too: modules know where they are.
 *
 * @param {string} folder
 * @param {readonly string[]} paths in it
 * @param {(path: string) => Uint8Array} [read] where the contents were read before
 * @throws where one is missing
 */
export function hashFiles(folder, paths, read = (path) => readFileSync(join(folder, path))) {
  const hash = createHash("sha256").update(folder);
  for (const path of paths) {
    const content = read(path);
    hash.update(`\n${path} ${content.length}\n`).update(content);
  }
  return hash.digest("hex");
}
