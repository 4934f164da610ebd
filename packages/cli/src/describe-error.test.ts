import { createDatabase } from "@lanekeeper/postgres";
import { expect, test } from "vitest";
import { describeError } from "./describe-error.ts";

test("a database that cannot be reached is a sentence that names the variable, without the password", async () => {
  await using db = createDatabase({
    url: "postgres://u:hunter2@127.0.0.1:1/x",
    poolSize: 1,
    applicationName: "test",
    log: () => undefined,
  });
  const error: unknown = await db.query("SELECT 1").catch((thrown: unknown) => thrown);
  const told = describeError(error);
  expect(told).toContain("DATABASE_URL");
  expect(told).not.toContain("hunter2");
  expect(told.split("\n")).toHaveLength(1);
});
