import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { youngGenerationFlags } from "./young-generation.ts";

const PLENTY = 8 * 1024 ** 3;

test("a service has its young generation from the start", async () => {
  expect(await youngGenerationFlags({}, PLENTY)).toEqual([
    "--min-semi-space-size=32",
    "--max-semi-space-size=32",
  ]);
});

test.each([
  ["the operator has said what it is to be", { NODE_OPTIONS: "--max-semi-space-size=8" }, PLENTY],
  ["memory is scarce", {}, 1024 ** 3],
])("where %s, Node's own choice stands", async (_what, env, memoryBytes) => {
  expect(await youngGenerationFlags(env, memoryBytes)).toEqual([]);
});

test("so it does with a Node that does not take the flags", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lanekeeper-node-"));
  try {
    const other = join(folder, "node");
    await writeFile(other, "#!/bin/sh\necho bad option >&2\nexit 9\n", { mode: 0o755 });
    expect(await youngGenerationFlags({}, PLENTY, other)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
