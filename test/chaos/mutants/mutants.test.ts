import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { planted } from "../inside/planted.ts";
import { POINTS } from "../inside/points.ts";
import { MUTANTS } from "./mutants.ts";

const ROOT = join(import.meta.dirname, "../../..");

test("at least twelve faults can be planted", () => {
  expect(MUTANTS.length).toBeGreaterThanOrEqual(12);
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
});

test.each([...MUTANTS, ...POINTS])(
  "$name: its text stands where it is to be replaced, once",
  async (patch) => {
    const source = await readFile(join(ROOT, patch.file), "utf8");
    expect(planted(source, patch)).not.toBe(source);
  },
);

test.each(MUTANTS)("$name: the points of its file can still be passed", async (mutant) => {
  const source = planted(await readFile(join(ROOT, mutant.file), "utf8"), mutant);
  const points = POINTS.filter(({ file }) => file === mutant.file);
  expect(() => points.reduce(planted, source)).not.toThrow();
});

test("a fault whose text is gone ends its process", () => {
  const [mutant] = MUTANTS;
  if (mutant === undefined) throw new Error("there are mutants");
  expect(() => planted("something else", mutant)).toThrow("found 0 times");
});
