import type { Migration } from "./migration-file.ts";
import { type SqlName, quoted } from "./sql-name.ts";

/** A row of `<schema>.schema_migrations`. */
export type AppliedMigration = {
  version: number;
  name: string;
  checksum: string;
  breaking: boolean;
};

export type SchemaProblem = "too_old" | "too_new" | "changed" | "out_of_order";

/** The tables of a service are not those that its code was written for. */
export class SchemaVersionError extends Error {
  override readonly name = "SchemaVersionError";
  readonly problem: SchemaProblem;

  constructor(problem: SchemaProblem, message: string) {
    super(message);
    this.problem = problem;
  }
}

/** The table of them. */
export const RECORDS = "schema_migrations";

export function recordTable(schema: SqlName): string {
  return `${quoted(schema)}.${RECORDS}`;
}

/** Makes that table where there is none yet. */
export function makeRecordTable(schema: SqlName): string {
  return `CREATE TABLE IF NOT EXISTS ${recordTable(schema)} (
      version integer PRIMARY KEY,
      name text NOT NULL,
      checksum text NOT NULL,
      breaking boolean NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`;
}

/** Throws `changed` when a file differs from what was applied under its number. */
export function refuseChanged(
  schema: string,
  known: readonly Migration[],
  applied: readonly AppliedMigration[],
): void {
  const files = new Map(known.map((migration) => [migration.version, migration]));
  for (const { version, name, checksum } of applied) {
    const file = files.get(version);
    if (file === undefined || file.checksum === checksum) continue;
    throw new SchemaVersionError(
      "changed",
      `${file.name} is not what was applied to the schema ${schema} as ${name}: applied migrations ` +
        "are never edited; restore the file and put the change into a new one",
    );
  }
}

/** Throws `out_of_order` when a file stands before one that is already applied. */
export function pendingMigrations(
  schema: string,
  known: readonly Migration[],
  applied: readonly AppliedMigration[],
): Migration[] {
  const done = new Set(applied.map(({ version }) => version));
  const newest = Math.max(0, ...done);
  const pending = known.filter(({ version }) => !done.has(version));
  const late = pending.find(({ version }) => version < newest);
  if (late === undefined) return pending;
  throw new SchemaVersionError(
    "out_of_order",
    `${late.name} was added behind version ${newest}, which the schema ${schema} already has: give it a higher number`,
  );
}

export function refuseBreaking(
  schema: SqlName,
  known: readonly Migration[],
  applied: readonly AppliedMigration[],
): void {
  const ours = newest(known);
  const breaking = applied.find((migration) => migration.breaking && migration.version > ours);
  if (breaking === undefined) return;
  throw new SchemaVersionError(
    "too_new",
    `the schema ${schema} is at version ${newest(applied)}, whose ${breaking.name} is marked breaking, and this ` +
      `release knows version ${ours}: start the release whose \`npx lanekeeper migrate\` made it`,
  );
}

export function newest(migrations: readonly { version: number }[]): number {
  return Math.max(0, ...migrations.map(({ version }) => version));
}
