// Puts a program's modules together, and keeps them for the next start.
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, stop } from "esbuild";
import { OPTIONS } from "./esbuild-options.js";
import { hashFiles } from "./hash-files.js";

/** From when another took its place: a program that runs may load a file of a bundle yet. */
const KEEP_MS = 24 * 60 * 60 * 1_000;
/** Marks a question of our own, which is not to be asked again. */
const RESOLVED = {};
/** What a bundle depends on besides the program's own modules. */
const MAKERS = ["make-bundle.js", "esbuild-options.js"];

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
  const { outputFiles, metafile } = await build({
    ...OPTIONS,
    absWorkingDir: root,
    entryPoints: [entry],
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    // What a module imports when it needs it stays a file of its own.
    splitting: true,
    platform: "node",
    // A library's name leads where Node goes by it, and not to what is meant for bundles.
    conditions: [],
    sourcemap: "linked",
    tsconfigRaw: {},
    plugins: [modules(root, texts, change)],
    metafile: true,
    write: false,
    logLevel: "silent",
  }).finally(stop);
  const sources = inputs(root, texts);
  const files = new Map(
    outputFiles.map(({ path, contents }) => [relative(folder, path), contents]),
  );
  const isMain = ([, { entryPoint }]) => entryPoint === entry;
  const [main] = Object.entries(metafile.outputs).find(isMain);
  const latest = {
    entry,
    folder: name,
    main: relative(folder, join(root, main)),
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
  await removeOld(cache);
  return join(folder, latest.main);
}

/** Reads the modules of the program into `texts`, by their paths. */
function modules(root, texts, change) {
  return {
    name: "modules of the program",
    setup(build) {
      build.onResolve({ filter: /^[^./]/ }, async ({ path, kind, resolveDir, pluginData }) => {
        if (kind === "entry-point" || pluginData === RESOLVED || isBuiltin(path)) return undefined;
        const found = await build.resolve(path, { kind, resolveDir, pluginData: RESOLVED });
        return isModule(found.path) ? found : outside(root, path, found.path);
      });
      build.onLoad({ filter: /\.(ts|js)$/ }, async ({ path }) => {
        const text = await readFile(path);
        texts.set(relative(root, path), text);
        // A module's own files are where it was written.
        const url = JSON.stringify(pathToFileURL(path).href);
        const changed = change(relative(root, path), text.toString());
        const contents = changed.replaceAll("import.meta.url", url);
        return { contents, loader: path.endsWith(".ts") ? "ts" : "js" };
      });
    },
  };
}

/** CommonJS does not go into a module of ES without changing what it sees. */
function isModule(path) {
  return (
    path !== "" && JSON.parse(readFileSync(manifestOf(dirname(path)), "utf8")).type === "module"
  );
}

/** A library that is loaded by its name, which is looked up from the cache. */
function outside(root, specifier, path) {
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  const isFound = path === "" || path.startsWith(join(root, "node_modules", name, sep));
  if (isFound) return { path: specifier, external: true };
  return { errors: [{ text: `${path} is not where ${name} would be looked for` }] };
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

async function removeOld(cache) {
  for (const name of await readdir(cache)) {
    const path = join(cache, name);
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > KEEP_MS) await rm(path, { recursive: true, force: true });
  }
}
