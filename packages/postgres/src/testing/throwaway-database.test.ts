import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { migrate } from "../schema/migrate.ts";
import { testDatabase } from "../test-database.ts";
import { startThrowawayDatabase } from "./throwaway-database.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "lanekeeper-migrations-"));
  const file = (name: string, sql: string) => writeFile(join(directory, name), sql);
  await file("0001_notes.sql", "CREATE TABLE notes (id int);\nINSERT INTO notes VALUES (1) -- one");
  await file("0002_more.sql", "--! breaking\nALTER TABLE notes ADD COLUMN text text;\n-- end");
});
afterEach(() => rm(directory, { recursive: true }));

test("what is made in one is not in another, and one that goes takes its connections along", async () => {
  await using one = await startThrowawayDatabase();
  await using other = await startThrowawayDatabase();
  await one.makeSchema("here", directory);
  await using elsewhere = testDatabase({ url: other.url, schema: "here" });
  await expect(elsewhere.query("SELECT FROM notes")).rejects.toThrow("does not exist");

  await using db = testDatabase({ url: one.url, schema: "here" });
  expect((await db.query("SELECT * FROM notes")).rows).toEqual([{ id: 1, text: null }]);
  await one.stop();
  await expect(db.query("SELECT FROM notes")).rejects.toThrow();
  expect((await elsewhere.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
});

test("a schema has the migrations that migrate finds there, and a file that fails leaves none", async () => {
  await using database = await startThrowawayDatabase();
  const { url } = database;
  const run = () => migrate({ url, schema: "made", directory, log: () => undefined });
  await database.makeSchema("made", directory);
  expect(await run()).toEqual({ applied: [], version: 2 });
  await using db = testDatabase({ url });
  const { rows } = await db.query("SELECT name, breaking FROM made.schema_migrations ORDER BY 1");
  expect(rows).toEqual([
    { name: "0001_notes.sql", breaking: false },
    { name: "0002_more.sql", breaking: true },
  ]);

  await writeFile(join(directory, "0003_wrong.sql"), "CREATE TABLE more (id nothing)");
  await expect(database.makeSchema("wrong", directory)).rejects.toThrow('"nothing" does not exist');
  expect((await db.query("SELECT FROM pg_namespace WHERE nspname = 'wrong'")).rows).toEqual([]);
  await writeFile(join(directory, "0003_wrong.sql"), "CREATE TABLE more (id int)");
  await database.makeSchema("right", directory);
  expect((await db.query('SELECT FROM "right".more')).rows).toEqual([]);
});
