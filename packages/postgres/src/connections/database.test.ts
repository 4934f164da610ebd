import type { EmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "./database.ts";
import { isUnavailable, isUniqueViolation } from "../errors.ts";
import { TEST_TIMEOUT_MS, startTestServer, testDatabase } from "../test-database.ts";

let server: EmbeddedPostgres;
beforeAll(async () => {
  server = await startTestServer();
}, TEST_TIMEOUT_MS);
afterAll(async () => {
  await server.stop();
}, TEST_TIMEOUT_MS);

const pidOf = async (db: Pick<Database<unknown>, "query">) =>
  (await db.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows[0]?.pid;

test("int8 is a bigint, alone and in arrays, and timestamptz a Date", async () => {
  await using db = testDatabase({ url: server.url });
  const { rows } = await db.query(
    "SELECT 9007199254740993::int8 AS big, ARRAY[1, NULL, 3]::int8[] AS bigs, $1::timestamptz AS at, count(*) FROM pg_am WHERE false",
    [new Date(0)],
  );
  expect(rows).toEqual([
    { big: 9_007_199_254_740_993n, bigs: [1n, null, 3n], at: new Date(0), count: 0n },
  ]);
});

const BYTES = ["ab", undefined, "", ',"\\{}NULL'];

test.each([
  ["hex", "$1::bytea[]", (bytes: unknown[]) => bytes],
  ["escape", "$1::bytea[]", (bytes: unknown[]) => bytes],
  ["hex", "ARRAY[$1::bytea[], $1::bytea[]]", (bytes: unknown[]) => [bytes, bytes]],
  ["hex", "($1::bytea[])[5:6]", () => []],
  ["hex", "array_append('[0:0]={a}'::bytea[], NULL)", () => [Buffer.from("a"), null]],
])("with bytea_output = %s, %s is an array of buffers", async (output, array, expected) => {
  await using db = testDatabase({ url: server.url, poolSize: 1 });
  await db.query(`SET bytea_output = ${output}`);
  const bytes = BYTES.map((text) => (text === undefined ? null : Buffer.from(text)));
  const { rows } = await db.query(
    `SELECT ${array} AS bytes, coalesce($1::bytea[], '{}') IS NULL AS no`,
    [bytes],
  );
  expect(rows).toEqual([{ bytes: expected(bytes), no: false }]);
});

test("bigints go out as parameters without loss", async () => {
  await using db = testDatabase({ url: server.url });
  const sent = [9_223_372_036_854_775_807n, -1n];
  const { rows } = await db.query("SELECT unnest($1::int8[]) AS n", [sent]);
  expect(rows).toEqual(sent.map((n) => ({ n })));
});

test("look-ups are planned once, and by index, however little a table is known to hold", async () => {
  await using db = testDatabase({ url: server.url, poolSize: 1, plans: "look-ups" });
  await db.query("CREATE TABLE few (id int PRIMARY KEY)");
  const statement = {
    name: "of_few",
    text: "SELECT f.id FROM unnest($1::int[]) AS w (id) JOIN few f USING (id)",
  };
  for (let i = 0; i < 7; i += 1) await db.query(statement, [[i]]);
  const { rows } = await db.query(
    "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = 'of_few'",
  );
  expect(rows).toEqual([{ generic_plans: 7n, custom_plans: 0n }]);
  const { rows: plan } = await db.query("EXPLAIN EXECUTE of_few('{1}')");
  expect(JSON.stringify(plan)).toContain("few_pkey");
});

test("a named statement is prepared once per connection", async () => {
  await using db = testDatabase({ url: server.url, poolSize: 1 });
  const statement = { name: "plus_one", text: "SELECT $1::int + 1 AS n" };
  await db.query(statement, [1]);
  expect((await db.query(statement, [2])).rows).toEqual([{ n: 3 }]);
  const { rows } = await db.query(
    "SELECT name, generic_plans + custom_plans AS runs FROM pg_prepared_statements",
  );
  expect(rows).toEqual([{ name: "plus_one", runs: 2n }]);
});

test("an error of a statement costs no connection", async () => {
  await using db = testDatabase({ url: server.url, poolSize: 1 });
  await db.query("CREATE TEMP TABLE once (id int CONSTRAINT once_only UNIQUE)");
  const pid = await pidOf(db);
  await db.query("INSERT INTO once VALUES (1)");
  const again = await db.query("INSERT INTO once VALUES (1)").catch((error: unknown) => error);
  expect(isUniqueViolation(again)).toBe(true);
  expect(isUniqueViolation(again, "once_only")).toBe(true);
  expect(isUniqueViolation(again, "another")).toBe(false);
  expect(isUnavailable(again)).toBe(false);
  expect(await pidOf(db)).toBe(pid);
});

test("unqualified names are looked up in the schema of the pool, beside options of the URL", async () => {
  const url = new URL(server.url);
  url.searchParams.set("options", "-c application_name=ignored -c work_mem=5MB");
  await using db = testDatabase({ url: url.href, schema: "lanes" });
  await db.query("CREATE SCHEMA lanes CREATE TABLE here (id int)");
  const { rows } = await db.query(
    "SELECT to_regclass('here')::text AS t, current_setting('work_mem') AS mem",
  );
  expect(rows).toEqual([{ t: "here", mem: "5MB" }]);
});

test("every connection has its time limits", async () => {
  await using db = testDatabase({ url: server.url, statementTimeoutMs: 1234 });
  const { rows } = await db.query(
    "SELECT current_setting('statement_timeout') AS s, current_setting('idle_in_transaction_session_timeout') AS i",
  );
  expect(rows).toEqual([{ s: "1234ms", i: "5s" }]);
});

test("a statement that takes too long is cancelled and told as an outage", async () => {
  await using db = testDatabase({ url: server.url, statementTimeoutMs: 50 });
  const error = await db.query("SELECT pg_sleep(60)").catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: "57014" });
  expect(isUnavailable(error)).toBe(true);
});

test("a server that does not listen is told by its place, never its password", async () => {
  await using db = testDatabase({ url: "postgres://someone:secret@127.0.0.1:1/db" });
  const error = (await db.query("SELECT 1").catch((cause: unknown) => cause)) as Error;
  expect(isUnavailable(error)).toBe(true);
  expect(error.message).toContain("127.0.0.1:1");
  expect(error.message).not.toContain("secret");
});

test("a wrong password is no outage", async () => {
  const url = new URL(server.url);
  url.password = "wrong";
  await using db = testDatabase({ url: url.href });
  const error = await db.query("SELECT 1").catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: "28P01" });
  expect(isUnavailable(error)).toBe(false);
});

test("waiting too long for a free connection is an outage", async () => {
  await using db = testDatabase({ url: server.url, poolSize: 1, acquireTimeoutMs: 1_500 });
  await db.transaction(async () => {
    const error = await db.query("SELECT 1").catch((cause: unknown) => cause);
    expect(isUnavailable(error)).toBe(true);
  });
});

test("an idle connection that is lost is logged and replaced", async () => {
  const lines: string[] = [];
  await using db = testDatabase({ url: server.url, poolSize: 1, log: (line) => lines.push(line) });
  await using other = testDatabase({ url: server.url });
  const pid = await pidOf(db);
  await other.query("SELECT pg_terminate_backend($1)", [pid]);
  await expect.poll(() => lines.join()).toContain("an idle database connection was lost");
  expect(await pidOf(db)).not.toBe(pid);
});

test("a statement whose connection is lost is told as an outage", async () => {
  await using db = testDatabase({ url: server.url, poolSize: 1 });
  const error = await db
    .query("SELECT pg_terminate_backend(pg_backend_pid())")
    .catch((e: unknown) => e);
  expect(isUnavailable(error)).toBe(true);
  expect((await db.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
});

test("a prepared statement survives a migration of its table", async () => {
  await using db = testDatabase({ url: server.url, poolSize: 1 });
  await using migration = testDatabase({ url: server.url });
  await migration.query("CREATE TABLE widened (id int)");
  const statement = { name: "read_widened", text: "SELECT * FROM widened" };
  await db.query(statement);
  await migration.query("ALTER TABLE widened ADD COLUMN extra text");
  expect((await db.query(statement)).rows).toEqual([]);
});

test("Kysely works on the same connections", async () => {
  type Schema = { pg_am: { amname: string; oid: number } };
  await using db = testDatabase<Schema>({ url: server.url, poolSize: 1 });
  const rows = await db.kysely
    .selectFrom("pg_am")
    .select("amname")
    .where("amname", "=", "btree")
    .execute();
  expect(rows).toEqual([{ amname: "btree" }]);
  expect(db.stats()).toEqual({ total: 1, idle: 1, waiting: 0 });
});

test("close can be repeated, and what is asked afterwards is an outage", async () => {
  const db = testDatabase({ url: server.url });
  await db.query("SELECT 1");
  await Promise.all([db.close(), db.close()]);
  const error = await db.query("SELECT 1").catch((cause: unknown) => cause);
  expect(isUnavailable(error)).toBe(true);
});
