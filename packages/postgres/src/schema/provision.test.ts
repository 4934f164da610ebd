import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { urlForRole } from "../connections/connection-url.ts";
import type { Database } from "../connections/database.ts";
import { migrate } from "./migrate.ts";
import { type ProvisionOptions, provisionService } from "./provision.ts";
import { TEST_TIMEOUT_MS, startTestServer, testDatabase } from "../test-database.ts";

let server: EmbeddedPostgres;
let admin: Database<Record<string, never>>;
beforeAll(async () => {
  server = await startTestServer();
  admin = testDatabase({ url: server.url });
}, TEST_TIMEOUT_MS);
afterAll(async () => {
  await admin.close();
  await server.stop();
}, TEST_TIMEOUT_MS);

const service = (name: string, over: Partial<ProvisionOptions> = {}): ProvisionOptions => ({
  adminUrl: server.url,
  service: name,
  role: `lk_${name}`,
  password: 'it\'s a "secret"'.replaceAll(" ", "_"),
  schema: name,
  ...over,
});

async function failure(db: Pick<Database<unknown>, "query">, sql: string): Promise<unknown> {
  return db.query(sql).then(
    () => undefined,
    (error: unknown) => error,
  );
}

test("a service gets a role of its own that owns its schema and sees no other's", async () => {
  const [one, two] = [
    await provisionService(service("one")),
    await provisionService(service("two")),
  ];
  expect(one).toMatchObject({ role: "lk_one", shared: false });
  expect(one.notice).toBeUndefined();
  await using mine = testDatabase({ url: one.url, schema: "one" });
  await using other = testDatabase({ url: two.url, schema: "two" });
  await mine.query("CREATE TABLE secrets (id int)");
  expect(await failure(other, "SELECT * FROM one.secrets")).toMatchObject({ code: "42501" });
  expect(await failure(other, "CREATE TABLE one.planted (id int)")).toMatchObject({
    code: "42501",
  });
  expect(await failure(mine, "SET ROLE lk_two")).toMatchObject({ code: "42501" });
  const { rows } = await admin.query(
    "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = 'lk_one'",
  );
  expect(rows).toEqual([{ rolsuper: false, rolcreaterole: false, rolcreatedb: false }]);
});

test("the role's sessions let go of idle transactions, whoever opens them", async () => {
  await provisionService(service("idle"));
  const { rows } = await admin.query("SELECT rolconfig FROM pg_roles WHERE rolname = 'lk_idle'");
  expect(rows).toEqual([{ rolconfig: ["idle_in_transaction_session_timeout=5000"] }]);
});

test("provisioning can be repeated and sets the password that it is given", async () => {
  const first = await provisionService(service("again"));
  const second = await provisionService(service("again", { password: "another" }));
  await using old = testDatabase({ url: first.url });
  await using current = testDatabase({ url: second.url });
  expect(await failure(old, "SELECT 1")).toMatchObject({ code: "28P01" });
  expect((await current.query("SELECT current_user::text AS me")).rows).toEqual([
    { me: "lk_again" },
  ]);
});

test("many who provision one service at once all succeed, from two databases too", async () => {
  await admin.query("CREATE DATABASE beside");
  const beside = new URL(server.url);
  beside.pathname = "/beside";
  const adminUrls = [server.url, beside.href, server.url, beside.href, server.url, beside.href];
  const results = await Promise.all(
    adminUrls.map((adminUrl) => provisionService(service("race", { adminUrl }))),
  );
  expect(new Set(results.map(({ role }) => role))).toEqual(new Set(["lk_race"]));
});

test("an administrator without CREATEROLE shares its role, and a notice says so", async () => {
  await admin.query("CREATE ROLE plain LOGIN PASSWORD 'plain'");
  await admin.query("GRANT CREATE ON DATABASE postgres TO plain");
  const adminUrl = urlForRole(server.url, "plain", "plain");
  const provisioned = await provisionService(service("shared", { adminUrl }));
  expect(provisioned).toMatchObject({ url: adminUrl, role: "plain", shared: true });
  expect(provisioned.notice).toMatch(/shared uses the database role plain.*lacks CREATEROLE/);
  await using db = testDatabase({ url: provisioned.url, schema: "shared" });
  await db.query("CREATE TABLE notes (id int)");

  // The service that began with a shared role goes on with it when another administrator comes.
  const later = await provisionService(service("shared"));
  expect(later).toMatchObject({ role: "postgres", shared: true });
  expect(later.notice).toContain("already belongs to plain");
});

test("an administrator with CREATEROLE who is no superuser provisions, and migrates as the role", async () => {
  await admin.query("CREATE ROLE keeper LOGIN CREATEROLE PASSWORD 'keeper'");
  await admin.query("GRANT CREATE ON DATABASE postgres TO keeper");
  const adminUrl = urlForRole(server.url, "keeper", "keeper");
  const provisioned = await provisionService(service("kept", { adminUrl }));
  expect(provisioned).toMatchObject({ role: "lk_kept", shared: false });

  const directory = await mkdtemp(join(tmpdir(), "lanekeeper-migrations-"));
  try {
    await writeFile(join(directory, "0001_notes.sql"), "CREATE TABLE notes (id int);\n");
    await migrate({
      url: adminUrl,
      schema: "kept",
      role: "lk_kept",
      directory,
      log: () => undefined,
    });
    await using db = testDatabase({ url: provisioned.url, schema: "kept" });
    expect((await db.query("INSERT INTO notes VALUES (1) RETURNING id")).rows).toEqual([{ id: 1 }]);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a superuser's role is not taken for a service", async () => {
  await expect(provisionService(service("bad", { role: "postgres" }))).rejects.toThrow(
    "administrator's role",
  );
});
