import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

import type { TestConstellation } from "@lanekeeper/testing";

const ROOT = join(import.meta.dirname, "../..");
/** What a machine with nothing but Node lacks. */
const PROGRAMS = join(import.meta.dirname, "programs");
/** What finds a program of this repository without looking for it. */
const QUICK = join(PROGRAMS, "quick");
/** With http_proxy set curl and buf would send even loopback through it. */
export const NO_PROXY = { no_proxy: "127.0.0.1", NO_PROXY: "127.0.0.1" };

/** A page whose code blocks can be run as a reader would paste them. */
export interface Document {
  /** The blocks of a language, in order, as they stand; under a heading, or all. */
  blocks(language: string, heading?: string): readonly string[];
  /** What a block of shell commands says; `replacing` stands for what a reader fills in. */
  paste(block: string, replacing?: Readonly<Record<string, string>>): Promise<string>;
  /** What a block of JavaScript says. */
  run(block: string): Promise<string>;
}

/** Reads a page, for a constellation that listens elsewhere and has another data dir than it says. */
export function openDocument(path: string, constellation: TestConstellation): Document {
  const text = readFileSync(join(ROOT, path), "utf8");
  const env = environment(constellation, path === "README.md" ? [] : [QUICK]);
  return {
    blocks: (language, heading) => {
      const fence = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g");
      return [...under(text, heading).matchAll(fence)].map(([, block = ""]) => block);
    },
    paste: (block, replacing = {}) => {
      const command = replaceAll(inPlace(block, constellation), replacing);
      return execute("sh", ["-euc", command], env);
    },
    run: (block) => {
      const code = inPlace(block, constellation);
      const args = ["--import", "tsx", "--input-type=module", "-e", code];
      return execute(process.execPath, args, env);
    },
  };
}

/** The part of a page between a heading and the next of its level. */
function under(text: string, heading: string | undefined): string {
  if (heading === undefined) return text;
  const section = text.split(/^(?=## )/m).find((part) => part.startsWith(`## ${heading}\n`));
  if (section === undefined) throw new Error(`there is no heading ${heading}`);
  return section;
}

/** The addresses of `npm start` stand in the pages. */
function inPlace(block: string, { baseUrl, dataDir, targets }: TestConstellation): string {
  return replaceAll(block, {
    "http://127.0.0.1:8080": baseUrl,
    "127.0.0.1:7101": targets["session-identity"],
    "dns:///session-identity:7101": targets["session-identity"],
    ".lanekeeper/": `${dataDir}/`,
  });
}

function replaceAll(text: string, replacing: Readonly<Record<string, string>>): string {
  return Object.entries(replacing).reduce((done, [from, to]) => done.replaceAll(from, to), text);
}

function environment(
  { baseUrl, dataDir, targets, apiKey }: TestConstellation,
  first: readonly string[],
) {
  return {
    ...process.env,
    LANEKEEPER_URL: baseUrl,
    LANEKEEPER_DATA_DIR: dataDir,
    LANEKEEPER_API_KEY: apiKey,
    LANEKEEPER_CLUSTER_SECRET: readFileSync(join(dataDir, "cluster-secret"), "utf8").trim(),
    LANEKEEPER_IDENTITY_TARGET: targets["session-identity"],
    ...NO_PROXY,
    PATH: [...first, join(ROOT, "node_modules/.bin"), process.env["PATH"], PROGRAMS].join(
      delimiter,
    ),
  };
}

async function execute(command: string, args: string[], env: NodeJS.ProcessEnv): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd: ROOT, env });
  return stdout;
}
