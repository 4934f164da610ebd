import { expect, test } from "vitest";
import { testDatabase } from "../../testing/database.ts";

/** G14 in the schema itself: what a tenant is asked about is found by the tenant. */
const database = testDatabase();

/** What belongs to no tenant: one row about the database, and the migrations that were applied. */
const OF_THE_DATABASE = new Set(["history", "schema_migrations"]);

/** Indexes whose first column is no tenant, each with its reason. */
const ACROSS_TENANTS: Readonly<Record<string, string>> = {
  generations_session_id: "an id never stands under two keys, whosever they are (G1)",
  session_changes_xid: "the feed reads what was committed since, once for all watchers",
  session_changes_pkey: "draws the order of changes",
  journal_pkey: "draws the order of decisions",
  erasures_under_way: "services ask what they have to remove, whosever it is",
  erasures_end_time: "the sweep looks for what is past its retention, whosever it is",
  session_keys_kept_until: "the sweep looks for what is due, whosever it is",
};

test("every table has its tenant, and it is never null", async () => {
  const { rows } = await database.open().query<{ name: string; has: boolean }>(
    `select c.relname as name, exists (select from pg_attribute a
       where a.attrelid = c.oid and a.attname = 'tenant' and a.attnotnull) as has
     from pg_class c where c.relnamespace = 'lanekeeper_identity'::regnamespace and c.relkind = 'r'`,
  );
  expect(rows.length).toBeGreaterThan(10);
  const without = rows.filter(({ name, has }) => !has && !OF_THE_DATABASE.has(name));
  expect(without).toEqual([]);
});

test("every index begins with the tenant, but for those that serve all of them", async () => {
  const { rows } = await database.open().query<{ name: string; first: string }>(
    `select i.relname as name, coalesce(a.attname, '') as first
     from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid
     join pg_am m on m.oid = i.relam and m.amname = 'btree'
     left join pg_attribute a on a.attrelid = t.oid and a.attnum = x.indkey[0]
     where t.relnamespace = 'lanekeeper_identity'::regnamespace and t.relname <> all($1)`,
    [[...OF_THE_DATABASE]],
  );
  expect(rows.length).toBeGreaterThan(15);
  const others = rows.filter(({ first }) => first !== "tenant").map(({ name }) => name);
  expect(others.sort()).toEqual(Object.keys(ACROSS_TENANTS).sort());
});
