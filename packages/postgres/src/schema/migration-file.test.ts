import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { newestMigration, readMigrations } from "./migration-file.ts";

test("the newest migration is the one with the highest number, under the names that migrate takes", async () => {
  const folder = mkdtempSync(join(tmpdir(), "migrations-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  expect(() => newestMigration(folder)).toThrow(`no migrations in ${folder}`);
  for (const name of ["0010_b.sql", "0009_a.sql", "9999_notes.md"]) {
    writeFileSync(join(folder, name), "");
  }
  expect(newestMigration(folder)).toBe("0010");
  writeFileSync(join(folder, "0011-c.sql"), "");
  const refusal = "0011-c.sql is no name for a migration";
  expect(() => newestMigration(folder)).toThrow(refusal);
  await expect(readMigrations(folder)).rejects.toThrow(refusal);
});
