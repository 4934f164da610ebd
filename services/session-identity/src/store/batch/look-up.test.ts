import { createDatabase } from "@lanekeeper/postgres";
import { expect, test } from "vitest";
import { TEST_SCHEMA, testDatabase } from "../../testing/database.ts";
import { lookUp, type Wanted } from "./look-up.ts";

const database = testDatabase();

const ID = "01a00000-0000-7000-8000-000000000000";

/** What each kind of command wants, and all that any does. */
const EACH: Readonly<Record<string, Partial<Wanted>>> = {
  reserve: {},
  begin: { runId: ID, policyAgentId: "main", activeRun: true, countSending: true },
  end: { runId: ID },
  heartbeat: { runId: ID, writer: { kind: "run", id: ID, eventSeq: 1n } },
  reply: { deliveryId: ID, writer: { kind: "reply", id: ID, eventSeq: 1n } },
  rotate: { requestId: "r", runId: ID, sourceSessionId: ID, activeRun: true, countSending: true },
};

test("commands of whatever kinds are looked up together, each of its statements under a name of its own", async () => {
  await using db = createDatabase<unknown>({
    ...{ url: database.url(), poolSize: 1, schema: TEST_SCHEMA, applicationName: "test" },
    log: () => undefined,
  });
  const kinds = Object.values(EACH);
  const subsets = Array.from({ length: 2 ** kinds.length - 1 }, (_, at) =>
    kinds.filter((_kind, bit) => ((at + 1) >> bit) % 2 === 1),
  );
  for (const subset of subsets) {
    const wanted = subset.map((one) => ({ tenant: "t", sessionKey: "agent:main:k", ...one }));
    expect(await lookUp(db, wanted)).toHaveLength(wanted.length);
  }
  // A longer name is cut to so many bytes by Postgres, where two may be one then.
  const { rows } = await db.query<{ name: string }>(
    "SELECT name FROM pg_prepared_statements WHERE name LIKE 'look_up%'",
  );
  expect(rows.length).toBeLessThan(32);
  expect(rows.filter(({ name }) => name.length >= 63)).toEqual([]);
});
