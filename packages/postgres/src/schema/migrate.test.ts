import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { checkSchema } from "./check-schema.ts";
import type { Database } from "../connections/database.ts";
import { migrate } from "./migrate.ts";
import { TEST_TIMEOUT_MS, startTestServer, testDatabase } from "../test-database.ts";

let server: EmbeddedPostgres;
let db: Database<Record<string, never>>;
let directory: string;
let lines: string[];
beforeAll(async () => {
  server = await startTestServer();
  db = testDatabase({ url: server.url });
}, TEST_TIMEOUT_MS);
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "lanekeeper-migrations-"));
  lines = [];
  await file("0001_notes.sql", "CREATE TABLE notes (id int);\nINSERT INTO notes VALUES (1);\n");
  await file("0002_more.sql", "ALTER TABLE notes ADD COLUMN text text;\n");
});
afterEach(async () => {
  await rm(directory, { recursive: true });
  await db.query("DROP SCHEMA IF EXISTS runner CASCADE");
});
afterAll(async () => {
  await db.close();
  await server.stop();
}, TEST_TIMEOUT_MS);

const file = (name: string, sql: string) => writeFile(join(directory, name), sql);
const remove = (name: string) => rm(join(directory, name));
const run = () =>
  migrate({ url: server.url, schema: "runner", directory, log: (line) => lines.push(line) });
const check = () => checkSchema({ db, schema: "runner", directory });

test("files are applied in order, in their schema, once", async () => {
  expect(await run()).toEqual({ applied: ["0001_notes.sql", "0002_more.sql"], version: 2 });
  expect(await run()).toEqual({ applied: [], version: 2 });
  expect((await db.query("SELECT * FROM runner.notes")).rows).toEqual([{ id: 1, text: null }]);
  expect(lines).toEqual(["runner: applied 0001_notes.sql", "runner: applied 0002_more.sql"]);
});

test("a database in another encoding is refused before anything is made for keeps; one that has tables goes on", async () => {
  await db.query(
    "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0",
  );
  const url = new URL(server.url);
  url.pathname = "/latin";
  const migrateLatin = () =>
    migrate({ url: url.href, schema: "runner", directory, log: () => undefined });
  const refused =
    "the database latin keeps texts in LATIN1, and Lanekeeper needs UTF8: make another";
  await expect(migrateLatin()).rejects.toThrow(refused);
  await using latin = testDatabase({ url: url.href });
  await latin.query(
    "INSERT INTO runner.schema_migrations VALUES (1, '0001_notes.sql', $1, false)",
    [
      createHash("sha256")
        .update(await readFile(join(directory, "0001_notes.sql")))
        .digest("hex"),
    ],
  );
  await latin.query("CREATE TABLE runner.notes (id int)");
  expect((await migrateLatin()).applied).toEqual(["0002_more.sql"]);
});

test("racing migrations apply each file once", async () => {
  const results = await Promise.all([run(), run(), run(), run()]);
  expect(results.flatMap(({ applied }) => applied).sort()).toEqual([
    "0001_notes.sql",
    "0002_more.sql",
  ]);
  expect((await db.query("SELECT * FROM runner.notes")).rowCount).toBe(1);
});

test("a file that fails is undone whole and named; those before it stay", async () => {
  await file(
    "0002_more.sql",
    "CREATE TABLE half (id int);\nALTER TABLE nothing ADD COLUMN x int;\n",
  );
  await expect(run()).rejects.toThrow(/0002_more\.sql failed on the schema runner: .*"nothing"/);
  const { rows } = await db.query("SELECT version FROM runner.schema_migrations");
  expect(rows).toEqual([{ version: 1 }]);
  expect((await db.query("SELECT to_regclass('runner.half') AS t")).rows).toEqual([{ t: null }]);
});

test("a file that commits by itself is refused", async () => {
  await file("0002_more.sql", "COMMIT; BEGIN;\n");
  await expect(run()).rejects.toThrow("ended the transaction");
});

test("a file that was edited after it was applied is refused by both", async () => {
  await run();
  await file("0001_notes.sql", "CREATE TABLE notes (id bigint);\n");
  await expect(run()).rejects.toMatchObject({ problem: "changed" });
  await expect(check()).rejects.toThrow("0001_notes.sql is not what was applied");
});

test("other line ends are no edit", async () => {
  await run();
  await file("0002_more.sql", "ALTER TABLE notes ADD COLUMN text text;\r\n");
  expect((await run()).applied).toEqual([]);
});

test("a file that comes in behind an applied one is refused", async () => {
  await remove("0001_notes.sql");
  await file("0002_more.sql", "CREATE TABLE notes (id int);\n");
  await run();
  await file("0001_late.sql", "SELECT 1;\n");
  await expect(run()).rejects.toMatchObject({ problem: "out_of_order" });
});

test("two files of one number, and names of another form, are refused", async () => {
  await file("0002_other.sql", "SELECT 1;\n");
  await expect(run()).rejects.toThrow("0002_more.sql and 0002_other.sql");
  await remove("0002_other.sql");
  await file("three.sql", "SELECT 1;\n");
  await expect(run()).rejects.toThrow("three.sql is no name for a migration");
});

test("a service accepts the schema that it was written for", async () => {
  await run();
  await expect(check()).resolves.toBeUndefined();
});

test("a service refuses a schema that was never migrated, and one that is older", async () => {
  await expect(check()).rejects.toThrow(
    /version 0, .* needs version 2: run `npx lanekeeper migrate`/,
  );
  await remove("0002_more.sql");
  await run();
  await file("0002_more.sql", "ALTER TABLE notes ADD COLUMN text text;\n");
  await expect(check()).rejects.toMatchObject({ problem: "too_old" });
});

test("a service accepts a newer schema, until a migration in it is marked breaking", async () => {
  await file("0003_next.sql", "ALTER TABLE notes ADD COLUMN x int;\n");
  await run();
  await remove("0003_next.sql");
  await expect(check()).resolves.toBeUndefined();
  expect(await run()).toEqual({ applied: [], version: 3 });

  await file("0003_next.sql", "ALTER TABLE notes ADD COLUMN x int;\n");
  await file("0004_break.sql", "--! breaking\nALTER TABLE notes DROP COLUMN text;\n");
  await run();
  await expect(check()).resolves.toBeUndefined();
  await remove("0003_next.sql");
  await remove("0004_break.sql");
  await expect(check()).rejects.toThrow(
    /version 4, whose 0004_break\.sql is marked breaking, .*version 2/,
  );
});

test("migrate does not call a schema up to date that services refuse", async () => {
  await file("0003_break.sql", "--! breaking\nALTER TABLE notes DROP COLUMN text;\n");
  await run();
  await remove("0003_break.sql");
  await expect(run()).rejects.toThrow(
    /version 3, whose 0003_break\.sql is marked breaking, .*version 2/,
  );
});
