import { join } from "node:path";
import { createDatabase, migrate } from "@lanekeeper/postgres";
import { startThrowawayDatabase, type ThrowawayDatabase } from "@lanekeeper/postgres/testing";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");

/** All that a schema holds but rows, in words that say whether two are the same. */
const SHOWN = `
  SELECT 'column' AS what, format('%s %s %s %s null:%s %s', c.relkind, c.relname, a.attnum, a.attname,
      NOT a.attnotnull, format_type(a.atttypid, a.atttypmod)) AS is, pg_get_expr(d.adbin, d.adrelid) AS of
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = $1::text::regnamespace
  UNION ALL SELECT 'relation', relkind::text || relname, concat(reloptions::text, relpersistence) FROM pg_class
    WHERE relnamespace = $1::text::regnamespace
  UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = $1
  UNION ALL SELECT 'constraint', conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = $1::text::regnamespace
  UNION ALL SELECT 'function', proname, pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace = $1::text::regnamespace
  UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
    WHERE c.relnamespace = $1::text::regnamespace AND NOT tgisinternal
  UNION ALL SELECT 'comment', classoid::regclass || ' ' || objsubid, description FROM pg_description
    JOIN pg_class c ON c.oid = objoid WHERE c.relnamespace = $1::text::regnamespace
  UNION ALL SELECT 'statistics', stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
    WHERE stxnamespace = $1::text::regnamespace
  ORDER BY 1, 2, 3`;

async function shown({ url }: ThrowawayDatabase, schema: string): Promise<unknown[]> {
  const log = () => undefined;
  await using db = createDatabase({ url, schema, poolSize: 1, applicationName: "test", log });
  const { rows } = await db.query(SHOWN, [schema]);
  const record = "SELECT version, name, checksum, breaking FROM schema_migrations ORDER BY version";
  return [...rows, ...(await db.query(record)).rows];
}

test.each(["session-identity", "runner", "delivery", "ingress"])(
  "the tests of %s have the schema that its migrations make one by one",
  async (service) => {
    const directory = join(ROOT, "services", service, "migrations");
    await using migrated = await startThrowawayDatabase();
    await using made = await startThrowawayDatabase();
    await migrate({ url: migrated.url, schema: "one", directory, log: () => undefined });
    await made.makeSchema("one", directory);
    const expected = await shown(migrated, "one");
    expect(expected.length).toBeGreaterThan(30);
    expect(await shown(made, "one")).toEqual(expected);
  },
);
