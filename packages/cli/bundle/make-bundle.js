// Puts a program's modules together, and keeps them for the next start.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  access,
  constants,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { stop } from "esbuild";
import { CODE_SUFFIX } from "./code-cache.js";
import { hashFiles } from "./hash-files.js";
import { makeScripts } from "./make-scripts.js";
import { manifestOf } from "./manifests.js";
import { Modules } from "./modules.js";
import { MAIN_SCRIPT } from "./run-bundle.js";

/** From when another took its place: a program that runs may read of its bundle where a line was written. */
const KEEP_MS = 24 * 60 * 60 * 1_000;
/** What a bundle depends on besides the program's own modules. */
const MAKERS = [
  "make-bundle.js",
  "make-scripts.js",
  "manifests.js",
  "modules.js",
  "origins.js",
  "mappings.js",
  "../bin/esbuild-options.js",
];
const MAIN = "main.mjs";
const RUNS = `import { runBundle } from ${JSON.stringify(new URL("run-bundle.js", import.meta.url).href)};
export default runBundle(import.meta.dirname);
`;

/**
 * See `bundle`. What is written once is never changed: of several who make one, each writes its own.
 *
 * @param {{ root: string, entry: string, cache: string, change?: (path: string, text: string) => string }} options
 *   `change` may say otherwise what stands in a module of the program: for tests of what it would be then
 * @returns {Promise<string>}
 */
export function makeBundle(options) {
  const made = before.then(() => make(options));
  before = made.catch(() => undefined);
  return made;
}

/** One after the other: who has made one stops esbuild, for all in this process. */
let before = Promise.resolve();

async function make({ root, entry, cache, change = (_, text) => text }) {
  // Before the work of seconds, which would be for nothing.
  await mkdir(cache, { recursive: true });
  await access(cache, constants.W_OK);
  const modules = new Modules(root, change);
  const name = randomUUID();
  const folder = join(cache, name);
  const files = new Map([[MAIN, Buffer.from(RUNS)]]);
  try {
    let scripts = new Map([[MAIN_SCRIPT, entry]]);
    while (scripts.size > 0) {
      const made = await makeScripts({ root, folder, scripts, modules });
      for (const [path, content] of made.files) files.set(path, content);
      scripts = new Map([...made.others].filter(([script]) => !files.has(script)));
    }
  } finally {
    await stop();
  }
  const sources = inputs(root, modules.texts);
  const latest = {
    entry,
    folder: name,
    main: MAIN,
    sources: [...sources.keys()],
    sourcesHash: hashFiles(root, sources.keys(), (path) => sources.get(path)),
    files: [...files.keys()],
    filesHash: hashFiles(folder, files.keys(), (path) => files.get(path)),
  };
  await mkdir(folder, { recursive: true });
  await Promise.all([...files].map(([path, text]) => writeFile(join(folder, path), text)));
  await writeFile(`${folder}.json`, JSON.stringify(latest));
  await keepLatest(cache);
  await rename(`${folder}.json`, join(cache, "latest.json"));
  await removeOld(cache, name);
  return join(folder, latest.main);
}

/**
 * What is looked at before a bundle is used: the program's own modules; the manifests, which say what a
 * package's name leads to and of which version a library is; and what makes the bundle.
 */
function inputs(root, texts) {
  const own = [...texts].filter(([path]) => !path.startsWith(`node_modules${sep}`));
  const manifests = [...texts.keys()].map((path) => manifestOf(dirname(join(root, path))));
  const makers = MAKERS.map((name) => fileURLToPath(new URL(name, import.meta.url)));
  const others = new Set([...manifests, ...makers].map((path) => relative(root, path)));
  return new Map([...own, ...[...others].map((path) => [path, readFileSync(join(root, path))])]);
}

/** What was the latest until now may have run for weeks. */
async function keepLatest(cache) {
  try {
    const { folder } = JSON.parse(await readFile(join(cache, "latest.json"), "utf8"));
    const now = new Date();
    await utimes(join(cache, folder), now, now);
  } catch {
    // There was none, or it was not whole.
  }
}

/** Another has removed it, or given it its name. */
const GONE = { mtimeMs: 0 };

async function removeOld(cache, latest) {
  for (const name of await readdir(cache)) {
    const path = join(cache, name);
    const { mtimeMs } = await stat(path).catch(() => GONE);
    if (Date.now() - mtimeMs > KEEP_MS) await rm(path, { recursive: true, force: true });
    // Who runs has read it.
    else if (name !== latest) await removeCode(path);
  }
}

async function removeCode(folder) {
  const names = await readdir(folder).catch(() => []);
  const code = names.filter((name) => name.endsWith(CODE_SUFFIX));
  await Promise.all(code.map((name) => rm(join(folder, name), { force: true })));
}
