import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

/** One step of a schema: a plain SQL file, never edited once it has been applied anywhere. */
export type Migration = {
  version: number;
  /** The file's name, for example "0003_add_leases.sql". */
  name: string;
  sql: string;
  /** SHA-256 of the text, in hexadecimal. */
  checksum: string;
  /** Code of the release before must not run beside it. */
  breaking: boolean;
};

/** Four digits, so that the order of names is the order of versions. */
const FILE_NAME = /^(\d{4})_[a-z0-9_]+\.sql$/;
const BREAKING = "--! breaking";

/** Reads the migrations of a folder in order. Throws where one cannot tell the order. */
export async function readMigrations(directory: string): Promise<Migration[]> {
  const names = migrationNames(await readdir(directory));
  const texts = await Promise.all(names.map((name) => readFile(join(directory, name), "utf8")));
  // In their order: of several that are wrong the first is told.
  const migrations = names.map((name, index) => parseMigration(name, texts[index] ?? ""));
  for (const [index, { version, name }] of migrations.entries()) {
    const earlier = migrations[index - 1];
    if (earlier?.version === version) {
      throw new Error(`${earlier.name} and ${name} in ${directory} have the same number`);
    }
  }
  return migrations;
}

/**
 * The number of a folder's newest migration, such as "0010": the schema that its service was built for.
 * Throws where there is none, or where one has a name that `readMigrations` refuses.
 */
export function newestMigration(directory: string): string {
  const newest = migrationNames(readdirSync(directory)).map(numberOf).at(-1);
  if (newest === undefined) throw new Error(`no migrations in ${directory}`);
  return newest;
}

export function parseMigration(name: string, text: string): Migration {
  const version = Number(numberOf(name));
  // A checkout on another system may have other line ends; the migration is the same.
  const sql = text.replaceAll("\r\n", "\n");
  const breaking = sql.split("\n", 1)[0]?.trimEnd() === BREAKING;
  return { version, name, sql, checksum: createHash("sha256").update(sql).digest("hex"), breaking };
}

/** In their order. */
function migrationNames(files: readonly string[]): string[] {
  return files.filter((name) => name.endsWith(".sql")).sort();
}

/** "0003" of "0003_add_leases.sql". */
function numberOf(name: string): string {
  const number = FILE_NAME.exec(name)?.[1];
  if (number !== undefined) return number;
  throw new Error(`${name} is no name for a migration: NNNN_name.sql, of a-z, 0-9 and _`);
}
