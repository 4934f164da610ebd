import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { testDatabase } from "../test-database.ts";
import { type LentSchemas, lentSchemas } from "./lent-schemas.ts";
import { startThrowawayDatabase, type ThrowawayDatabase } from "./throwaway-database.ts";

const MIGRATION = `CREATE TABLE authors (name text PRIMARY KEY);
CREATE TABLE notes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, author text NOT NULL REFERENCES authors, text text
)`;
const ADD = "INSERT INTO notes (author, text) VALUES ('ada', $1) RETURNING id";

let directory: string;
let database: ThrowawayDatabase;
let schemas: LentSchemas;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "lanekeeper-migrations-"));
  await writeFile(join(directory, "0001_notes.sql"), MIGRATION);
  database = await startThrowawayDatabase();
});
afterAll(async () => {
  await database.stop();
  await rm(directory, { recursive: true });
});
beforeEach(() => {
  schemas = lentSchemas(database, {
    prefix: `t${crypto.randomUUID().slice(0, 8)}`,
    migrations: directory,
  });
});
afterEach(() => schemas[Symbol.asyncDispose]());

/** One with a note in it, by the first of its connections. */
async function lendWritten() {
  const schema = await schemas.lend();
  const db = schema.open();
  await db.query("INSERT INTO authors VALUES ('ada')");
  expect((await db.query(ADD, ["tea"])).rows).toEqual([{ id: 1n }]);
  const backend = async () => (await db.query("SELECT pg_backend_pid() AS pid")).rows;
  return { schema, db, backend };
}

test("who comes next has the schema and its connections, without a row, and counts from one", async () => {
  const first = await lendWritten();
  const before = await first.backend();
  await first.db.close();
  await first.schema.giveBack();
  const second = await lendWritten();
  expect(second.schema.name).toBe(first.schema.name);
  expect(await second.backend()).toEqual(before);
  const third = await schemas.lend();
  expect(third.name).not.toBe(first.schema.name);
  await Promise.all([second.schema.giveBack(), third.giveBack()]);
});

test("what is sent when its test is over goes nowhere", async () => {
  const { schema, db } = await lendWritten();
  await schema.giveBack();
  const over = "the test that used this database is over";
  await expect(db.query(ADD, ["late"])).rejects.toThrow(over);
  await expect(db.transaction(async () => {})).rejects.toThrow(over);
  expect(() => db.kysely).toThrow(over);
  const next = await schemas.lend();
  expect((await next.open().query("SELECT FROM notes")).rows).toEqual([]);
  await next.giveBack();
});

test("a closed one gives its connections to who opens another, once its statements have ended", async () => {
  const { schema, db, backend } = await lendWritten();
  const pid = await backend();
  const late = db.query("SELECT pg_sleep(0.1), text FROM notes");
  await db.close();
  expect((await late).rows).toEqual([expect.objectContaining({ text: "tea" })]);
  await expect(db.query("SELECT 1")).rejects.toThrow("over");
  const other = schema.open();
  expect((await other.query("SELECT pg_backend_pid() AS pid")).rows).toEqual(pid);
  await schema.giveBack();
});

test("none is lent whose migrations store rows: the second would lack them", async () => {
  const path = join(directory, "0002_ada.sql");
  await writeFile(path, "INSERT INTO authors VALUES ('ada')");
  await expect(schemas.lend()).rejects.toThrow("stores rows");
  await rm(path);
});

const LEFT: Record<string, (of: Awaited<ReturnType<typeof lendWritten>>) => Promise<unknown>> = {
  "a column more": ({ db }) => db.query("ALTER TABLE notes ADD COLUMN more text"),
  "a foreign key less": ({ db }) => db.query("ALTER TABLE notes DROP CONSTRAINT notes_author_fkey"),
  "a table more": ({ db }) => db.query("CREATE TABLE others ()"),
  "what was analyzed": ({ db }) => db.query("ANALYZE notes"),
  "a megabyte of rows": ({ db }) =>
    db.query(
      "INSERT INTO notes (author, text) SELECT 'ada', repeat('x', 1000) FROM generate_series(1, 1100)",
    ),
  "a transaction under way": async ({ db }) => {
    await new Promise<void>((begun) => {
      const under = db.transaction(async (open) => {
        await open.query(ADD, ["late"]);
        begun();
        await new Promise(() => undefined);
      });
      under.catch(() => undefined);
    });
  },
  "somebody who was told where it is": async ({ schema }) => schema.spoil(),
};

test.each(Object.keys(LEFT))(
  "where a test leaves %s, the next has another schema",
  async (what) => {
    const lent = await lendWritten();
    await LEFT[what]?.(lent);
    await lent.schema.giveBack();
    const next = await lendWritten();
    expect(next.schema.name).not.toBe(lent.schema.name);
    await using db = testDatabase({ url: database.url, schema: next.schema.name });
    expect((await db.query("SELECT text FROM notes")).rows).toEqual([{ text: "tea" }]);
    await next.schema.giveBack();
  },
);
