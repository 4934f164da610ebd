// Puts a program's modules together, and keeps them for the next start.
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, stop } from "esbuild";
import { CODE_SUFFIX } from "./code-cache.js";
import { OPTIONS } from "./esbuild-options.js";
import { hashFiles } from "./hash-files.js";
import { originsOf } from "./origins.js";
import { SCRIPT } from "./run-bundle.js";

/** From when another took its place: a program that runs may read of its bundle where a line was written. */
const KEEP_MS = 24 * 60 * 60 * 1_000;
/** Loaded by their names, which are looked up from the cache: what most never need, and what is not installed. */
const OUTSIDE = ["@opentelemetry/sdk-node", "pg-native"];
/** What a bundle depends on besides the program's own modules. */
const MAKERS = ["make-bundle.js", "esbuild-options.js", "origins.js", "mappings.js"];
const MAIN = "main.mjs";
const RUNS = `import { runBundle } from ${JSON.stringify(new URL("run-bundle.js", import.meta.url).href)};
export default runBundle(import.meta.dirname);
`;

/**
 * See `bundle`. What is written once is never changed: processes that start at once each write one.
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
  const texts = new Map();
  const name = randomUUID();
  const folder = join(cache, name);
  const { outputFiles } = await build({
    ...OPTIONS,
    // What is not of ES cannot go into modules of ES without changing what it sees.
    format: "cjs",
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: join(folder, SCRIPT),
    bundle: true,
    platform: "node",
    // A library's name leads where Node goes by it, and not to what is meant for bundles.
    conditions: [],
    external: OUTSIDE,
    mainFields: ["main"],
    // Modules of ES are strict; what is older does not mind.
    banner: { js: '(function (require, module, exports) { "use strict";' },
    footer: { js: "})" },
    // All is read as single bytes, at every start: a third of them would be spaces. Lines stay short for traces.
    charset: "ascii",
    minifyWhitespace: true,
    lineLimit: 200,
    legalComments: "none",
    sourcemap: "external",
    tsconfigRaw: {},
    plugins: [modules(root, texts, change)],
    write: false,
    logLevel: "silent",
  }).finally(stop);
  const sources = inputs(root, texts);
  const files = filesOf(folder, outputFiles);
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

/** What is kept of what esbuild has made: the script, where its lines were written, and the module that runs it. */
function filesOf(folder, outputFiles) {
  const [map, script] = ["map", "js"].map((kind) =>
    outputFiles.find(({ path }) => path.endsWith(`.${kind}`)),
  );
  const { sources, mappings } = JSON.parse(map.text);
  const origins = originsOf({ sources: sources.map((path) => resolve(folder, path)), mappings });
  return new Map([[SCRIPT, script.contents], [MAIN, Buffer.from(RUNS)], ...origins]);
}

/** Reads the modules of the program into `texts`, by their paths. */
function modules(root, texts, change) {
  return {
    name: "modules of the program",
    setup(build) {
      build.onLoad({ filter: /\.[cm]?[tj]s$/ }, async ({ path }) => {
        const text = await readFile(path);
        texts.set(relative(root, path), text);
        const changed = change(relative(root, path), text.toString());
        const contents = inPlace(path, changed);
        return { contents, loader: path.endsWith(".ts") ? "ts" : "js" };
      });
    },
  };
}

/** A module's own files are where it was written. */
function inPlace(path, text) {
  if (isModule(path)) return text.replaceAll("import.meta.url", quoted(pathToFileURL(path).href));
  return text
    .replace(/(?<![\w$.])__dirname\b/g, () => quoted(dirname(path)))
    .replace(/(?<![\w$.])__filename\b/g, () => quoted(path));
}

function quoted(text) {
  return JSON.stringify(text);
}

/** Of ES. */
function isModule(path) {
  if (/\.[cm][tj]s$/.test(path)) return path.at(-3) === "m";
  return (
    path !== "" && JSON.parse(readFileSync(manifestOf(dirname(path)), "utf8")).type === "module"
  );
}

function manifestOf(folder) {
  const path = join(folder, "package.json");
  return existsSync(path) ? path : manifestOf(dirname(folder));
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

async function removeOld(cache, latest) {
  for (const name of await readdir(cache)) {
    const path = join(cache, name);
    const { mtimeMs } = await stat(path);
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
