import { sqlState } from "../errors.ts";
import { type Migration, readMigrations } from "./migration-file.ts";
import {
  type AppliedMigration,
  SchemaVersionError,
  newest,
  recordTable,
  refuseBreaking,
  refuseChanged,
} from "./migration-record.ts";
import type { Queryable } from "../connections/queryable.ts";
import { type SqlName, parseSqlName } from "./sql-name.ts";

export type CheckSchemaOptions = {
  db: Pick<Queryable<unknown>, "query">;
  schema: string;
  /** The folder of the migrations that this release knows. */
  directory: string;
};

/**
 * What a service asks before it begins to serve: its schema has every migration that this release knows,
 * and none that is newer and marked breaking. Throws `SchemaVersionError` (too_old, too_new, changed).
 */
export async function checkSchema(options: CheckSchemaOptions): Promise<void> {
  const schema = parseSqlName(options.schema);
  const known = await readMigrations(options.directory);
  const applied = await readApplied(options.db, schema);
  refuseChanged(schema, known, applied);
  refuseOlder(schema, known, applied);
  refuseBreaking(schema, known, applied);
}

async function readApplied(
  db: CheckSchemaOptions["db"],
  schema: SqlName,
): Promise<AppliedMigration[]> {
  try {
    const sql = `SELECT version, name, checksum, breaking FROM ${recordTable(schema)} ORDER BY version`;
    return (await db.query<AppliedMigration>(sql)).rows;
  } catch (error) {
    // undefined_table, invalid_schema_name: nothing was ever applied.
    if (["42P01", "3F000"].includes(sqlState(error) ?? "")) return [];
    throw error;
  }
}

function refuseOlder(
  schema: SqlName,
  known: readonly Migration[],
  applied: readonly AppliedMigration[],
): void {
  const done = new Set(applied.map(({ version }) => version));
  if (known.every(({ version }) => done.has(version))) return;
  throw new SchemaVersionError(
    "too_old",
    `the schema ${schema} is at version ${newest(applied)}, and this release needs version ${newest(known)}: ` +
      "run `npx lanekeeper migrate`",
  );
}
