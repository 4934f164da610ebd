import type pg from "pg";
import { withClient } from "../connections/client.ts";
import { refuseOtherEncoding } from "./encoding.ts";
import { sqlState } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { type Migration, readMigrations } from "./migration-file.ts";
import {
  type AppliedMigration,
  makeRecordTable,
  pendingMigrations,
  recordTable,
  refuseBreaking,
  refuseChanged,
} from "./migration-record.ts";
import { type SqlName, parseSqlName, quoted } from "./sql-name.ts";

export type MigrateOptions = {
  /** Of the role that owns the schema, or of one that may become it (`role`). */
  url: string;
  /** The schema to bring up to date; made when it is missing. */
  schema: string;
  /** Run as this role, so that what is made belongs to it. Default: the role of the URL. */
  role?: string;
  /** The folder of the `NNNN_name.sql` files. */
  directory: string;
  log: (line: string) => void;
};

export type MigrateResult = {
  /** The names of the files applied now, in order. */
  applied: string[];
  /** The version that the schema has now; 0 with no migration at all. */
  version: number;
};

/**
 * Brings a schema up to date: applies the files that are missing, in order, each in a transaction of its
 * own, one process at a time. A file that fails leaves the ones before it applied. A schema that is
 * newer than the files is left alone, unless a newer migration is marked breaking. Throws
 * `SchemaVersionError` (changed, out_of_order, too_new), `UnfitDatabaseError`, and what the server says about a file, with its
 * name.
 */
export async function migrate(options: MigrateOptions): Promise<MigrateResult> {
  const schema = parseSqlName(options.schema);
  const migrations = await readMigrations(options.directory);
  return withClient(options.url, `lanekeeper-migrate-${schema}`, async (client) => {
    if (options.role !== undefined)
      await client.query(`SET ROLE ${quoted(parseSqlName(options.role))}`);
    await lockMigrations(client, schema);
    await prepareSchema(client, schema);
    return applyPending(client, schema, migrations, options.log);
  });
}

/** The lock is the session's: it goes with the connection, however this process ends. */
async function lockMigrations(client: pg.Client, schema: SqlName): Promise<void> {
  const lock = "SELECT pg_advisory_lock(hashtext('lanekeeper.migrate'), hashtext($1))";
  await client.query(`SET lock_timeout = ${LIMITS.migrationLockTimeoutMs}`);
  await client.query(lock, [schema]).catch((cause: unknown) => {
    if (sqlState(cause) !== "55P03") throw cause;
    const seconds = LIMITS.migrationLockTimeoutMs / 1000;
    throw new Error(`another migration of the schema ${schema} has been running for ${seconds} s`, {
      cause,
    });
  });
  await client.query(`SET lock_timeout = ${LIMITS.ddlLockTimeoutMs}`);
}

async function applyPending(
  client: pg.Client,
  schema: SqlName,
  migrations: readonly Migration[],
  log: (line: string) => void,
): Promise<MigrateResult> {
  const applied = await readApplied(client, schema);
  // Who has had such a database for long goes on with it.
  if (applied.length === 0) await refuseOtherEncoding(client);
  refuseChanged(schema, migrations, applied);
  refuseBreaking(schema, migrations, applied);
  const pending = pendingMigrations(schema, migrations, applied);
  for (const migration of pending) {
    await apply(client, schema, migration);
    log(`${schema}: applied ${migration.name}${migration.breaking ? " (breaking)" : ""}`);
  }
  const versions = [...applied, ...pending].map(({ version }) => version);
  return { applied: pending.map(({ name }) => name), version: Math.max(0, ...versions) };
}

async function prepareSchema(client: pg.Client, schema: SqlName): Promise<void> {
  // CREATE SCHEMA IF NOT EXISTS asks for the right to create even where there is nothing to do.
  const { rowCount } = await client.query("SELECT FROM pg_namespace WHERE nspname = $1", [schema]);
  if (rowCount === 0) await client.query(`CREATE SCHEMA ${quoted(schema)}`);
  await client.query(makeRecordTable(schema));
}

async function readApplied(client: pg.Client, schema: SqlName): Promise<AppliedMigration[]> {
  const { rows } = await client.query<AppliedMigration>(
    `SELECT version, name, checksum, breaking FROM ${recordTable(schema)} ORDER BY version`,
  );
  return rows;
}

async function apply(client: pg.Client, schema: SqlName, migration: Migration): Promise<void> {
  await client.query("BEGIN");
  try {
    const before = await transactionId(client);
    await client.query(`SET LOCAL search_path = ${quoted(schema)}`);
    await client.query(migration.sql);
    if ((await transactionId(client)) !== before) {
      throw new Error("it ended the transaction that it runs in (COMMIT or ROLLBACK)");
    }
    await client.query(
      `INSERT INTO ${recordTable(schema)} (version, name, checksum, breaking) VALUES ($1, $2, $3, $4)`,
      [migration.version, migration.name, migration.checksum, migration.breaking],
    );
    await client.query("COMMIT");
  } catch (cause) {
    await client.query("ROLLBACK");
    throw new Error(
      `${migration.name} failed on the schema ${schema}: ${(cause as Error).message}`,
      { cause },
    );
  }
}

async function transactionId(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query<{ id: string }>("SELECT pg_current_xact_id()::text AS id");
  return rows[0]?.id;
}
