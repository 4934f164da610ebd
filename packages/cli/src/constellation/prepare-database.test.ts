import { join } from "node:path";
import { startThrowawayPostgres } from "@lanekeeper/embedded-postgres";
import { createDatabase } from "@lanekeeper/postgres";
import { readSettings, SERVICE_NAMES } from "@lanekeeper/service";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lookAtDatabase } from "../doctor/database.ts";
import { prepareDatabase, schemaOf } from "./prepare-database.ts";

type Server = Awaited<ReturnType<typeof startThrowawayPostgres>>;

describe("the database of a constellation", { timeout: 60_000 }, () => {
  let server: Server;

  beforeAll(async () => {
    server = await startThrowawayPostgres();
  }, 60_000);
  afterAll(() => server.stop());

  async function run(url: string, sql: string): Promise<Record<string, unknown>[]> {
    const options = { url, poolSize: 1, applicationName: "test", log: () => undefined };
    await using database = createDatabase(options);
    return (await database.query<Record<string, unknown>>(sql)).rows;
  }

  async function freshDatabase(name: string, owner?: string): Promise<string> {
    await run(server.url, `CREATE DATABASE ${name} ${owner === undefined ? "" : `OWNER ${owner}`}`);
    const url = new URL(server.url);
    url.pathname = `/${name}`;
    return url.toString();
  }

  function prepare(url: string) {
    const said: string[] = [];
    const settings = readSettings({ DATABASE_URL: url, LANEKEEPER_DATA_DIR: join("/", "nowhere") });
    const credentials = { clusterSecret: "a secret of at least thirty-two characters" };
    const tell = (line: string) => void said.push(line);
    const work = () =>
      prepareDatabase({ database: { adminUrl: () => url }, settings, credentials, tell });
    const look = () => lookAtDatabase({ settings, ...credentials, state: undefined });
    return { said, work, look };
  }

  test("each service gets a role and a schema of its own, and cannot read another's", async () => {
    const { work, said, look } = prepare(await freshDatabase("own_roles"));
    const urls = await work();
    for (const name of SERVICE_NAMES) {
      expect(new URL(urls[name]).username).toBe(schemaOf(name));
      const rows = await run(
        urls[name],
        "SELECT nspname FROM pg_namespace WHERE has_schema_privilege(oid, 'USAGE') AND nspname IN ('lanekeeper_identity', 'lanekeeper_runner', 'lanekeeper_delivery', 'lanekeeper_ingress')",
      );
      expect(rows).toEqual([{ nspname: schemaOf(name) }]);
    }
    expect(said.some((line) => line.startsWith("lanekeeper_runner: applied 0001"))).toBe(true);
    expect((await look()).filter(({ verdict }) => verdict !== "ok")).toEqual([]);
  });

  test("a second time it changes nothing, and the passwords are the same", async () => {
    const { work, said } = prepare(await freshDatabase("twice"));
    const first = await work();
    said.length = 0;
    expect(await work()).toEqual(first);
    expect(said).toHaveLength(4);
    expect(said.every((line) => line.includes("at version"))).toBe(true);
  });

  test("a role without CREATEROLE is shared, which start and doctor say", async () => {
    await run(server.url, "CREATE ROLE limited LOGIN PASSWORD 'limited'");
    const url = new URL(await freshDatabase("no_createrole", "limited"));
    url.username = "limited";
    url.password = "limited";
    const { work, said, look } = prepare(url.toString());
    const urls = await work();
    expect(new Set(Object.values(urls))).toEqual(new Set([url.toString()]));
    expect(said.filter((line) => line.includes("lacks CREATEROLE"))).toHaveLength(4);
    const findings = await look();
    expect(findings).toContainEqual({
      subject: "postgres",
      verdict: "note",
      text: "the role limited lacks CREATEROLE: the services share it instead of having one each",
    });
    expect(findings.filter(({ verdict }) => verdict === "problem")).toEqual([]);
  });

  test("doctor says that a database was never migrated", async () => {
    const { look } = prepare(await freshDatabase("empty"));
    const problems = (await look()).filter(({ verdict }) => verdict === "problem");
    expect(problems).toHaveLength(4);
    expect(problems[0]?.text).toContain("run `npx lanekeeper migrate`");
  });

  test("doctor says that nobody answers at DATABASE_URL", async () => {
    const { look } = prepare("postgres://nobody:secret@127.0.0.1:1/none");
    const [finding] = await look();
    expect(finding).toMatchObject({ subject: "postgres", verdict: "problem" });
    expect(finding?.text).toMatch(/^DATABASE_URL cannot be used: .*127\.0\.0\.1:1/);
    expect(finding?.text).not.toContain("secret");
  });
});
