import { createDatabase } from "@lanekeeper/postgres";
import { expect, test } from "vitest";
import { TEST_SCHEMA, testDatabase } from "../../testing/database.ts";
import type { Db, Query } from "../db.ts";
import { ALL_KEYS, changesBetween, pollChanges, readHistory } from "./read-changes.ts";

const database = testDatabase();

/** So many changes that a plan which reads all of them shows. */
const OLD = 20_000;

const FILL = `
insert into session_changes (tenant, session_key, agent_id, state, rotated)
select 't', 'agent:main:' || g, 'main', '{}', false from generate_series(1, ${OLD}) g`;

/** Rows of the feed's table, and entries of its indexes, that were read so far. */
async function readSoFar(db: Query): Promise<number> {
  await db.query("select pg_stat_force_next_flush()");
  const { rows } = await db.query<{ read: string }>(
    `select seq_tup_read + idx_tup_fetch + (select sum(idx_tup_read) from pg_stat_user_indexes
       where relname = 'session_changes') as read
     from pg_stat_user_tables where relname = 'session_changes'`,
  );
  return Number(rows[0]?.read);
}

/** One connection, whose plans are made once, or anew for each statement. */
function openWith(mode: "force_generic_plan" | "force_custom_plan"): Db {
  const url = new URL(database.url());
  url.searchParams.set("options", `-c plan_cache_mode=${mode}`);
  return createDatabase<unknown>({
    ...{ url: url.href, poolSize: 1, schema: TEST_SCHEMA, applicationName: "test" },
    log: () => undefined,
  });
}

test.each(["force_generic_plan", "force_custom_plan"] as const)(
  "a look at the feed reads what is new, not what was told before (%s)",
  async (mode) => {
    await using db = openWith(mode);
    await db.query(FILL);
    await db.query("analyze session_changes");
    const { snapshot } = await readHistory(db);
    const before = await readSoFar(db);
    for (let look = 0; look < 10; look += 1) {
      await pollChanges(db, snapshot, { limit: 500, rotationsOnly: false });
    }
    const now = (await readHistory(db)).snapshot;
    await changesBetween(db, ALL_KEYS, snapshot, now, 0n, 500);
    expect((await readSoFar(db)) - before).toBeLessThan(100);
  },
);
