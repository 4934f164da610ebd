import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { newestMigration, packageVersion } from "./version.ts";

test("is that of the package.json next above", () => {
  expect(packageVersion(import.meta.url)).toMatch(/^\d+\.\d+\.\d+$/);
});

test("says so where there is none", () => {
  expect(() => packageVersion("file:///nowhere/main.ts")).toThrow("no package.json");
});

test("of a service's schema is its newest migration", () => {
  const folder = mkdtempSync(join(tmpdir(), "migrations-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  expect(() => newestMigration(folder)).toThrow(`no migrations in ${folder}`);
  for (const name of ["0010_b.sql", "0009_a.sql", "9999_notes.md"]) {
    writeFileSync(join(folder, name), "");
  }
  expect(newestMigration(folder)).toBe("0010");
});
