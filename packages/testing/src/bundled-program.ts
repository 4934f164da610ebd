import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

interface Bundler {
  readonly bundle: (options: { root: string; entry: string; cache: string }) => Promise<string>;
}

/**
 * What Node can run in place of a TypeScript program of this repository, at a fifth of the CPU that
 * loading it module by module takes: for tests that start processes.
 *
 * @param path of the program's main module
 */
export async function bundledProgram(path: string): Promise<string> {
  // Plain JavaScript, as `lanekeeper` itself loads it.
  const bundler = new URL("../../cli/bundle/bundle.js", import.meta.url).href;
  const { bundle } = (await import(bundler)) as Bundler;
  const entry = relative(ROOT, path);
  const cache = join(ROOT, "node_modules/.cache/lanekeeper-tests", entry.replaceAll("/", "-"));
  return bundle({ root: ROOT, entry, cache });
}
