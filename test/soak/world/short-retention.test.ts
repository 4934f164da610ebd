import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { planted } from "../../chaos/mutants/planted.ts";
import { SHORT_RETENTION } from "./short-retention.ts";

const ROOT = join(import.meta.dirname, "../../..");

test.each(SHORT_RETENTION)("$file: $name stands as it is to be shortened, once", async (patch) => {
  const source = await readFile(join(ROOT, patch.file), "utf8");
  expect(planted(source, patch)).not.toBe(source);
});

test("every bound of a service that is called retention is shortened", async () => {
  const shortened = new Set(SHORT_RETENTION.map(({ file, name }) => `${file} ${name}`));
  for (const file of new Set(SHORT_RETENTION.map((patch) => patch.file))) {
    const source = await readFile(join(ROOT, file), "utf8");
    const kept = [...source.matchAll(/^ {2}(\w*Retention\w*Ms): /gm)].map(([, name]) => name);
    // Of API keys, of which a soak ends none.
    const wanted = kept.filter((name) => name !== "endedKeyRetentionMs");
    expect(wanted.filter((name) => !shortened.has(`${file} ${name}`))).toEqual([]);
  }
});
