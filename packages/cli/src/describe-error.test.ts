import { startThrowawayPostgres } from "@lanekeeper/embedded-postgres";
import { createDatabase, provisionService } from "@lanekeeper/postgres";
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

test("a password or database that the server does not know was a stack, and is a sentence", async () => {
  await using server = await startThrowawayPostgres();
  const wrong = { password: "hunter2", pathname: "/nowhere" };
  for (const [part, value] of Object.entries(wrong)) {
    const url = new URL(server.url);
    Reflect.set(url, part, value);
    const names = { service: "runner", role: "r", schema: "r", password: "p" };
    const error: unknown = await provisionService({ adminUrl: url.href, ...names }).catch(
      (thrown: unknown) => thrown,
    );
    const told = describeError(error);
    expect(told).toMatch(/^the database refuses the connection \(.*: look at DATABASE_URL/);
    expect(told).not.toMatch(/hunter2|\n/);
  }
});

test("a full disk was a stack, or advice about addresses, and is a sentence that says to make room", async () => {
  await using server = await startThrowawayPostgres();
  await using db = createDatabase({
    url: server.url,
    poolSize: 1,
    applicationName: "test",
    log: () => undefined,
  });
  const full = "could not write init file: No space left on device";
  const raise = `DO $$ BEGIN RAISE EXCEPTION '${full}' USING ERRCODE = '53100'; END $$`;
  const ofServer: unknown = await db.query(raise).catch((thrown: unknown) => thrown);
  const ofSystem = Object.assign(new Error("ENOSPC: no space left on device, write"), {
    code: "ENOSPC",
  });
  const ofMigration = new Error("0002_more.sql failed on the schema r", { cause: ofServer });
  for (const error of [ofServer, ofSystem, ofMigration]) {
    const told = describeError(error);
    expect(told).toMatch(/^there is no room left \(.*no space left on device.*\): make some/i);
    expect(told).not.toMatch(/DATABASE_URL|\n/);
  }
});
