import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SHORT_RETENTION, shortened } from "./short-retention.ts";

const ROOT = join(import.meta.dirname, "../../..");

test.each(SHORT_RETENTION)("$file: $name is found and shortened", async (bound) => {
  const source = await readFile(join(ROOT, bound.file), "utf8");
  const changed = shortened(source, bound);
  expect(changed).toContain(`  ${bound.name}: ${bound.ms},\n`);
  expect(changed.split("\n")).toHaveLength(source.split("\n").length);
});

test("a bound that is gone ends its process", () => {
  const [bound] = SHORT_RETENTION;
  if (bound === undefined) throw new Error("there are bounds");
  expect(() => shortened("something else", bound)).toThrow("is not found");
});

/** API keys that were ended, keys of subagents, and conversations that were erased. */
const OF_WHAT_A_SOAK_HAS_NOT = new Set([
  ...["endedKeyRetentionMs", "mintedRetentionMs", "erasureRetentionMs"],
]);

test("every bound of a service that is called retention is shortened", async () => {
  const shortened = new Set(SHORT_RETENTION.map(({ file, name }) => `${file} ${name}`));
  for (const file of new Set(SHORT_RETENTION.map((bound) => bound.file))) {
    const source = await readFile(join(ROOT, file), "utf8");
    const kept = [...source.matchAll(/^ {2}(\w*Retention\w*Ms): /gm)].map(([, name]) => name);
    const wanted = kept.filter((name) => !OF_WHAT_A_SOAK_HAS_NOT.has(name ?? ""));
    expect(wanted.filter((name) => !shortened.has(`${file} ${name}`))).toEqual([]);
  }
});
