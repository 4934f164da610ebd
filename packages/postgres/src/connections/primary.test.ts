import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import pg from "pg";
import { expect, test } from "vitest";
import { isUnavailable } from "../errors.ts";
import { TEST_TIMEOUT_MS, testDatabase } from "../test-database.ts";

/** What is no throwaway: its standby begins with the files that it ended with. */
async function dataFolder() {
  const path = await mkdtemp(join(tmpdir(), "lanekeeper-standby-"));
  await chmod(path, 0o711);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const start = (dataDir: string) =>
  startEmbeddedPostgres({ dataDir, durable: false, log: () => undefined });

test("a pool was led to a standby, and kept to it for half an hour: it takes no connection to one, and comes again once it is promoted", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  await using folder = await dataFolder();
  const primary = await start(folder.path);
  await primary.stop();
  await writeFile(join(primary.home, "cluster", "standby.signal"), "");
  await using standby = await start(folder.path);
  await using db = testDatabase({ url: standby.url, poolSize: 1 });
  const error: unknown = await db.query("SELECT 1").catch((thrown: unknown) => thrown);
  expect(isUnavailable(error)).toBe(true);
  expect(String(error)).toMatch(/no connection to the database at .*: it is a standby/);
  expect(db.stats().total).toBe(0);

  const promoter = new pg.Client({ connectionString: standby.url });
  await promoter.connect();
  await promoter.query("SELECT pg_promote()");
  await promoter.end();
  await db.query("CREATE TABLE taken (id int)");
});

test("a connection to a server that takes no writes any more is not asked again", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  await using folder = await dataFolder();
  await using server = await start(folder.path);
  await using db = testDatabase({ url: server.url, poolSize: 1 });
  // What a provider does to a server whose disk is full; sessions that are there keep it.
  await db.query("SET default_transaction_read_only = on");
  const error: unknown = await db.query("CREATE TABLE no (id int)").catch((thrown) => thrown);
  expect(isUnavailable(error)).toBe(true);
  await db.query("CREATE TABLE yes (id int)");
});
