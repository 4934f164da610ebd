// Puts the modules of each script together.
import { dirname, join, parse, relative, resolve, sep } from "node:path";
import { build } from "esbuild";
import { OPTIONS } from "../bin/esbuild-options.js";
import { quoted } from "./modules.js";
import { originsOf } from "./origins.js";

/** Loaded by their names, which are looked up from the cache: what most never need, and what is not installed. */
const OUTSIDE = ["@opentelemetry/sdk-node", "pg-native"];
const OTHER = "script of another program";

/**
 * @param {{
 *   root: string,
 *   folder: string,
 *   scripts: ReadonlyMap<string, string>,
 *   modules: import("./modules.js").Modules,
 * }} options `scripts` are the main modules by the names of their scripts in `folder`
 * @returns {Promise<{ files: Map<string, Uint8Array>, others: ReadonlyMap<string, string> }>} the scripts and where
 *   their lines were written, by their names; and the scripts that these run
 */
export async function makeScripts({ root, folder, scripts, modules }) {
  const others = new Map();
  const { outputFiles } = await build({
    ...OPTIONS,
    // What is not of ES cannot go into modules of ES without changing what it sees.
    format: "cjs",
    absWorkingDir: root,
    entryPoints: [...scripts].map(([name, module]) => ({ in: module, out: parse(name).name })),
    outdir: folder,
    bundle: true,
    platform: "node",
    // A library's name leads where Node goes by it, and not to what is meant for bundles.
    conditions: [],
    external: OUTSIDE,
    mainFields: ["main"],
    // Modules of ES are strict; what is older does not mind.
    banner: { js: '(function (require, module, exports, runOther) { "use strict";' },
    footer: { js: "})" },
    // All is read as single bytes, at every start: a third of them would be spaces. Lines stay short for traces.
    charset: "ascii",
    minifyWhitespace: true,
    lineLimit: 200,
    legalComments: "none",
    sourcemap: "external",
    tsconfigRaw: {},
    plugins: [modulesOf({ root, modules, others })],
    write: false,
    logLevel: "silent",
  });
  const made = new Map(outputFiles.map(({ path, text }) => [path, text]));
  const files = new Map();
  for (const name of scripts.keys()) {
    const path = join(folder, name);
    files.set(name, Buffer.from(withPlainWrappers(made.get(path))));
    const { sources, mappings } = JSON.parse(made.get(`${path}.map`));
    const written = sources.map((source) => resolve(folder, source));
    for (const [file, content] of originsOf(name, { sources: written, mappings }))
      files.set(file, content);
  }
  return { files, others };
}

/**
 * esbuild wraps a module of CommonJS in an object of one field, named by the module's path. V8 gives each such
 * object a hidden class that it keeps with the empty object's, which has room for 1,532: with a thousand used up
 * so, each message of Protobuf gets a hidden class of its own, and who reads it finds no field where the last
 * one had it. Each name takes as much room as before, so that all stands where the source map says.
 */
function withPlainWrappers(text) {
  // A long line is broken, inside names too.
  const names = /(?<=\b__(?:commonJS|esm)\(\{\n?)"(?:[^"\\]|\\\n)+"(?=\()/g;
  return text.replace(names, (name) => name.replace(/[^\n]/g, " ").replace(" ", "_"));
}

/**
 * The main module of another program, such as of a service, which somebody imports when it is to run, becomes a
 * script of its own, which is added to `others`.
 */
function modulesOf({ root, modules, others }) {
  return {
    name: "modules of the program",
    setup(build) {
      build.onResolve({ filter: /\/main\.ts$/ }, ({ path, kind, resolveDir }) => {
        if (kind !== "dynamic-import") return undefined;
        const module = relative(root, join(resolveDir, path));
        const script = `${dirname(dirname(module)).replaceAll(sep, "-")}.js`;
        others.set(script, module);
        return { path: script, namespace: OTHER };
      });
      build.onLoad({ filter: /^/, namespace: OTHER }, ({ path }) => ({
        contents: `module.exports = runOther(${quoted(path)});`,
      }));
      build.onLoad({ filter: /\.[cm]?[tj]s$/ }, ({ path }) => modules.load(path));
    },
  };
}
