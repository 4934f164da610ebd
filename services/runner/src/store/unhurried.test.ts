import { createDatabase, UNHURRIED } from "@lanekeeper/postgres";
import { startThrowawayDatabase, type ThrowawayDatabase } from "@lanekeeper/postgres/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

let database: ThrowawayDatabase;
beforeAll(async () => {
  database = await startThrowawayDatabase();
});
afterAll(() => database.stop());

test("a statement that nobody waits for leaves its connection as hurried as before", async () => {
  const options = { poolSize: 1, applicationName: "test", log: () => undefined };
  await using db = createDatabase<unknown>({ ...options, url: database.url });
  await db.query("SET synchronous_commit = on");
  await db.query("CREATE TABLE written (setting text)");
  await db.query(
    `WITH ${UNHURRIED} INSERT INTO written SELECT current_setting('synchronous_commit') FROM unhurried`,
  );
  const { rows } = await db.query(
    "SELECT setting, current_setting('synchronous_commit') AS now FROM written",
  );
  expect(rows).toEqual([{ setting: "off", now: "on" }]);
});
