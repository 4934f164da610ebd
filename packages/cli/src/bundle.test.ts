import { execFile, spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { bundle } from "../bundle/bundle.js";
import { type TestFolder, testFolder } from "./fixtures/folder.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PROGRAM = fileURLToPath(new URL("./fixtures/load-program.mjs", import.meta.url));
const MAIN = "packages/app/src/main.ts";
const OTHER = "packages/other/src/index.ts";

/** A program of two packages that tells what it is made of, and where. */
const TREE: Readonly<Record<string, string>> = {
  [MAIN]: `import { word } from "@lanekeeper/other";
import { library } from "library";

export interface Said { readonly text: string }

export async function main(): Promise<void> {
  const said: Said = { text: [word, library, (await import("./late.ts")).late].join(" ") };
  console.log(said.text);
  console.log(import.meta.url);
}
`,
  "packages/app/src/late.ts": 'export const late: string = "late";\n',
  "packages/app/package.json": '{ "name": "app", "type": "module" }',
  [OTHER]: 'export const word: string = "first";\n',
  "packages/other/src/second.ts": 'export const word: string = "second";\n',
  "packages/other/package.json":
    '{ "name": "@lanekeeper/other", "type": "module", "exports": "./src/index.ts" }',
  "node_modules/library/index.js":
    'exports.library = require("node:fs").readFileSync(`${__dirname}/word`, "utf8");\n',
  "node_modules/library/word": "library",
  "node_modules/library/package.json": '{ "name": "library" }',
};

interface Tree extends TestFolder {
  readonly cache: string;
  write(path: string, text: string): Promise<void>;
  /** What the program says; `cache` in place of the tree's own. */
  run(cache?: string): Promise<string[]>;
  /** The bundles that are kept. */
  bundles(): Promise<string[]>;
  /** What V8 has compiled of them. */
  code(): Promise<string[]>;
}

async function tree(): Promise<Tree> {
  const folder = await testFolder();
  const cache = join(folder.path, "node_modules/.cache/app");
  const write = async (path: string, text: string) => {
    await mkdir(dirname(join(folder.path, path)), { recursive: true });
    await writeFile(join(folder.path, path), text);
  };
  for (const [path, text] of Object.entries(TREE)) await write(path, text);
  // As npm links a package of the same tree.
  await mkdir(join(folder.path, "node_modules/@lanekeeper"));
  await symlink(
    join(folder.path, "packages/other"),
    join(folder.path, "node_modules/@lanekeeper/other"),
  );
  return {
    ...folder,
    cache,
    write,
    run: async (at = cache) => {
      const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, folder.path, at]);
      return stdout.trim().split("\n");
    },
    bundles: async () => (await readdir(cache)).filter((name) => !/\.(json|seen)$/.test(name)),
    code: async () => {
      const names = await readdir(cache, { recursive: true });
      return names.filter((name) => name.endsWith(".code")).map((name) => join(cache, name));
    },
  };
}

test("a program says the same from its bundle as module by module, and knows where it was written", async () => {
  await using program = await tree();
  const said = ["first library late", `file://${join(program.path, MAIN)}`];
  expect(await program.run()).toEqual(said);
  expect(await program.run()).toEqual(said);
  expect(await program.bundles()).toHaveLength(1);
  // A file where the folder would be made: nothing can be kept.
  expect(await program.run(join(program.path, MAIN, "cache"))).toEqual(said);
  expect(await program.bundles()).toHaveLength(1);
});

test("what is edited is run at the next start: a module, a manifest", async () => {
  await using program = await tree();
  await program.run();
  await program.write(OTHER, 'export const word: string = "fresh";\n');
  expect((await program.run())[0]).toBe("fresh library late");
  const manifest = TREE["packages/other/package.json"] ?? "";
  await program.write("packages/other/package.json", manifest.replace("index.ts", "second.ts"));
  expect((await program.run())[0]).toBe("second library late");
  // A program that was started before may load the files of its bundle yet.
  expect(await program.bundles()).toHaveLength(3);
  const aWhileAgo = new Date(Date.now() - 25 * 60 * 60 * 1_000);
  for (const name of await program.bundles())
    await utimes(join(program.cache, name), aWhileAgo, aWhileAgo);
  await program.write(OTHER, "");
  await program.write("packages/other/src/second.ts", 'export const word = "third";\n');
  expect((await program.run())[0]).toBe("third library late");
  // However long ago it was made: what was run until now may run yet.
  expect(await program.bundles()).toHaveLength(2);
});

test("what has the size and the time of what was read before, and is another, is run", async () => {
  await using program = await tree();
  const whenever = new Date(Date.now() - 60_000);
  await utimes(join(program.path, OTHER), whenever, whenever);
  const seen = async () => {
    // What was written a moment ago is read again, until a glance at it would tell of a change.
    await eventually(async () => {
      expect((await program.run())[0]).toBe("first library late");
      return (await readdir(program.cache)).some((name) => name.endsWith(".seen"));
    });
  };
  await seen();
  await program.write(OTHER, (TREE[OTHER] ?? "").replace("first", "other"));
  await utimes(join(program.path, OTHER), whenever, whenever);
  expect((await program.run())[0]).toBe("other library late");
});

test("what V8 has compiled is kept for the next process, and made anew where it is not what was written", async () => {
  await using program = await tree();
  const said = await program.run();
  const [path = ""] = await program.code();
  const kept = await readFile(path);
  expect(await program.run()).toEqual(said);
  expect(await readFile(path)).toEqual(kept);
  const changed = Buffer.from(kept);
  changed.fill(1, 200, 300);
  for (const text of [changed, kept.subarray(0, 2), kept.subarray(0, -1)]) {
    await writeFile(path, text);
    expect(await program.run()).toEqual(said);
    expect(await readFile(path)).not.toEqual(text);
  }
  // Of a bundle that no start runs any more it is of no use.
  await program.write(OTHER, 'export const word: string = "fresh";\n');
  await program.run();
  expect(await program.code()).toHaveLength(1);
  expect(await program.code()).not.toContain(path);
});

test("lanekeeper itself has a bundle, with a script for each service: what cannot be put together is loaded module by module, and only slower", async () => {
  const cache = join(ROOT, "node_modules/.cache/lanekeeper");
  const path = await bundle({ root: ROOT, entry: "packages/cli/src/main.ts", cache });
  expect(path).toContain(cache);
  const names = (await readdir(dirname(path))).filter((name) => name.endsWith(".js"));
  expect(names.sort()).toEqual([
    "main.js",
    "services-delivery.js",
    "services-ingress.js",
    "services-runner.js",
    "services-session-identity.js",
  ]);
  for (const name of names) {
    const text = await readFile(join(dirname(path), name), "latin1");
    // Objects with a name of its own each: a thousand of them leave V8 no room for the classes of messages.
    expect(text).not.toMatch(/__(commonJS|esm)\(\{\s*[^_\s]/);
    expect(text.match(/__commonJS\(\{\s*_\s+\(/g)?.length).toBeGreaterThan(50);
  }
});

test.each(["bundled", "module by module"])(
  "a trace, %s, names lines as they were written",
  async (how) => {
    await using program = await tree();
    const text = `interface Way { readonly kind: string }

function fails(way: Way): never {
  try {
    Buffer.alloc(way.kind as never);
  } catch (error) {
    console.log((error as Error).stack);
  }
  throw new Error(way.kind);
}

export const word: string = fails({ kind: "oh" });
`;
    await program.write(OTHER, text);
    const cache = how === "bundled" ? program.cache : join(program.path, MAIN, "cache");
    const trace = (await program.run(cache)).join("\n");
    expect(trace).toContain("Error: oh\n");
    expect(trace).toMatch(/^TypeError \[ERR_INVALID_ARG_TYPE\]: The "size" argument .*\n {4}at /);
    expect(trace).toContain(`(${join(program.path, OTHER)}:5:12)`);
    expect(trace).toContain(`(${join(program.path, OTHER)}:9:9)`);
    expect(trace).toContain(`${join(program.path, OTHER)}:12:29`);
  },
);

test("a bundle that was cut or changed on the disk is made anew", async () => {
  await using program = await tree();
  const said = await program.run();
  const files = async () => {
    const names = await program.bundles();
    const inside = names.map(async (name) =>
      (await readdir(join(program.cache, name))).map((file) => join(program.cache, name, file)),
    );
    return (await Promise.all(inside)).flat().filter((path) => /main\.m?js$/.test(path));
  };
  for (const path of await files()) await writeFile(path, "");
  expect(await program.run()).toEqual(said);
  for (const path of await files()) await writeFile(path, `${await readFile(path, "utf8")};oops`);
  expect(await program.run()).toEqual(said);
  await writeFile(join(program.cache, "latest.json"), '{ "entry": ');
  expect(await program.run()).toEqual(said);
});

test("of processes that start at once, without a bundle, one makes it, and the others wait for it", async () => {
  await using program = await tree();
  const all = await Promise.all([program.run(), program.run(), program.run(), program.run()]);
  expect(new Set(all.map(([said]) => said))).toEqual(new Set(["first library late"]));
  expect((await program.run())[0]).toBe("first library late");
  expect(await program.bundles()).toHaveLength(1);
});

test.each(["is dead", "has hung for minutes"])(
  "nobody waits for one who said that he makes the bundle, and %s",
  async (how) => {
    await using program = await tree();
    const claim = join(program.cache, "making");
    await mkdir(program.cache, { recursive: true });
    const dead = spawnSync(process.execPath, ["-e", "0"]).pid;
    await writeFile(claim, String(how === "is dead" ? dead : process.pid));
    const minutesAgo = new Date(Date.now() - 5 * 60_000);
    if (how !== "is dead") await utimes(claim, minutesAgo, minutesAgo);
    expect((await program.run())[0]).toBe("first library late");
    expect(await program.bundles()).toHaveLength(1);
  },
);

test("a package gets the library of its own version, which no bundle can name", async () => {
  await using program = await tree();
  const own = "packages/app/node_modules/library";
  await program.write(`${own}/index.js`, 'exports.library = "own";\n');
  await program.write(`${own}/package.json`, '{ "name": "library" }');
  expect((await program.run())[0]).toBe("first own late");
});
