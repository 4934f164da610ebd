import { existsSync, readFileSync } from "node:fs";
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

function findUpwards(folder: string, file: string): string | undefined {
  const candidate = join(folder, file);
  if (existsSync(candidate)) return candidate;
  const parent = dirname(folder);
  return parent === folder ? undefined : findUpwards(parent, file);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
