import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The version in the package.json next above a module (`import.meta.url`); needs no git. */
export function packageVersion(moduleUrl: string): string {
  const manifest = findUpwards(dirname(fileURLToPath(moduleUrl)), "package.json");
  const content: unknown = manifest && JSON.parse(readFileSync(manifest, "utf8"));
  const version = isObject(content) ? content["version"] : undefined;
  if (typeof version !== "string")
    throw new Error(`no package.json with a version above ${moduleUrl}`);
  return version;
}

/** The number of the newest `NNNN_name.sql` of a folder: the schema that its service was built for. */
export function newestMigration(folder: string): string {
  const numbers = readdirSync(folder).flatMap((name) => /^(\d{4})_.*\.sql$/.exec(name)?.[1] ?? []);
  const newest = numbers.sort().at(-1);
  if (newest === undefined) throw new Error(`no migrations in ${folder}`);
  return newest;
}

function findUpwards(folder: string, file: string): string | undefined {
  const candidate = join(folder, file);
  if (existsSync(candidate)) return candidate;
  const parent = dirname(folder);
  return parent === folder ? undefined : findUpwards(parent, file);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
