import { join } from "node:path";
import { startThrowawayPostgres } from "@lanekeeper/embedded-postgres";
import { createDatabase } from "@lanekeeper/postgres";
import { readSettings, SERVICE_NAMES } from "@lanekeeper/service";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lookAtDatabase } from "../../doctor/database.ts";
import { prepareDatabase, schemaOf } from "./prepare-database.ts";

type Server = Awaited<ReturnType<typeof startThrowawayPostgres>>;

describe("the database of a constellation", () => {
  let server: Server;

  beforeAll(async () => {
    server = await startThrowawayPostgres();
  });
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

  test("doctor names a run past its lease, a lane without a key, and rules of a newer release", async () => {
    const { work, look } = prepare(await freshDatabase("strays"));
    const urls = await work();
    const [identity, runner] = [urls["session-identity"], urls.runner];
    expect((await look()).filter(({ subject }) => subject === "lanes")).toEqual([
      { subject: "lanes", verdict: "ok", text: "0 have work, each has its key" },
    ]);
    await run(identity, heldKey("agent:main:alive", "1 second"));
    await run(runner, waitingTurn("agent:main:alive"));
    expect((await look()).filter(({ verdict }) => verdict === "problem")).toEqual([]);

    await run(identity, heldKey("agent:main:dead", "40 seconds"));
    await run(runner, waitingTurn("agent:main:stray"));
    await run(
      identity,
      "insert into lanekeeper_identity.tenant_policies values ('t', 1, 'main', 99, now(), 'op')",
    );
    const problems = (await look()).filter(({ verdict }) => verdict === "problem");
    expect(problems.map(({ subject }) => subject)).toEqual(["runs", "key rules", "lanes"]);
    const [lost, rules, stray] = problems.map(({ text }) => text);
    const leaseOver =
      /^agent:main:dead of tenant t is held by run .*, whose lease ran out (\d+) s ago/;
    const seconds = Number(leaseOver.exec(lost ?? "")?.[1]);
    expect(seconds, lost).toBeGreaterThanOrEqual(40);
    expect(seconds, lost).toBeLessThan(200);
    expect(rules).toContain("Rule set 99 is in force and this release knows 1");
    expect(stray).toContain("The lane of agent:main:stray (tenant t) has 1 open turns");
  });

  test("doctor says that nobody answers at DATABASE_URL", async () => {
    const { look } = prepare("postgres://nobody:secret@127.0.0.1:1/none");
    const [finding] = await look();
    expect(finding).toMatchObject({ subject: "postgres", verdict: "problem" });
    expect(finding?.text).toMatch(/^DATABASE_URL cannot be used: .*127\.0\.0\.1:1/);
    expect(finding?.text).not.toContain("secret");
  });
});

/** A key whose run's lease of 15 s ran out so long ago. */
function heldKey(key: string, ago: string): string {
  return `insert into lanekeeper_identity.session_keys (tenant, session_key, agent_id, rule_set_version, source,
      bind_time, session_id, generation, run_epoch, create_time, rotate_time, active_run_id, active_turn_id,
      active_turn_class, active_begin_generation, active_last_event_seq, active_lease_ms,
      active_lease_expire_time, active_start_time, active_heartbeat_time, active_model)
    values ('t', '${key}', 'main', 1, 'test', now(), gen_random_uuid(), 1, 1, now(), now(), gen_random_uuid(),
      'turn', 'person', 1, 0, 15000, now() - interval '${ago}', now(), now(), '')`;
}

function waitingTurn(key: string): string {
  return `insert into lanekeeper_runner.turns (tenant, turn_id, agent_id, session_key, state, turn_class,
      disposition, on_conflict, lane_seq, front, principal, request_id, idempotency_key, trace_id, traceparent,
      origin, route_id, admitted_session_id, admitted_generation, required_generation, accept_time, seed, input,
      parameters, call_chain, replica)
    values ('t', gen_random_uuid(), 'main', '${key}', 1, 1, 1, 1, 1, false, 'p', 'r', 'i', '', '', '', '', '', 1, 0,
      now(), '{}', '{}', '{}', '{}', '')`;
}
