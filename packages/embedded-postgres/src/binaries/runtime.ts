import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { dirname, extname, join, relative } from "node:path";
import { type Account, runCommand } from "../run-command.ts";
import { isRoot } from "../cluster/account.ts";
import { EmbeddedPostgresError, USE_YOUR_OWN } from "../errors.ts";

/** Server binaries that have been seen to run. */
export type Runtime = {
  /** The folder that holds bin, lib and share. */
  folder: string;
  /** For example "18.4". */
  version: string;
};

/** Beginning of a copy's name; the package's version follows. */
const COPY = "runtime-";

const PROGRAMS = ["bin/postgres", "bin/initdb"];

/**
 * Makes the binaries of the platform package runnable and tries them as the account that is to run
 * them. npm runs no install scripts by default, so the links between the shared libraries are
 * missing and files may lack their execute bit. Both are put right in place where that is allowed;
 * where it is not (a read-only node_modules), or where the account cannot reach that place, a copy
 * under `copyTo` is used. Throws `binaries_unusable`.
 */
export async function prepareRuntime(options: {
  native: string;
  account: Account | undefined;
  copyTo: string;
  log: (line: string) => void;
}): Promise<Runtime> {
  const { native, account, copyTo } = options;
  await repair(native).catch(() => undefined);
  const inPlace = await tryOut(native, account);
  if ("version" in inPlace) return inPlace;

  const folder = join(copyTo, `${COPY}${await packageVersion(native)}`);
  const earlier = await tryOut(folder, account);
  if ("version" in earlier) return earlier;
  options.log(`copying the Postgres server to ${folder}, since it cannot run from ${native}`);
  await copyRuntime(native, folder);
  const copied = await tryOut(folder, account);
  if ("version" in copied) return copied;
  throw new EmbeddedPostgresError(
    "binaries_unusable",
    `The Postgres server from npm does not run here: ${copied.complaint} ` +
      `Install what is missing, reinstall with \`npm ci\`, ${USE_YOUR_OWN}.`,
  );
}

async function tryOut(
  folder: string,
  account: Account | undefined,
): Promise<Runtime | { complaint: string }> {
  // initdb is tried too: it alone links libpq, so it fails where only some links are there.
  for (const program of ["initdb", "postgres"]) {
    const { code, stdout, stderr } = await runCommand(join(folder, "bin", program), ["--version"], {
      account,
    });
    if (code !== 0) return { complaint: stderr.trim() };
    const version = /\(PostgreSQL\) (\d+\.\d+)/.exec(stdout)?.[1];
    if (program === "postgres" && version !== undefined) return { folder, version };
  }
  return { complaint: `${folder}/bin/postgres names no version.` };
}

/** What the package's own install script would have done, and execute bits. Safe to run twice at once. */
async function repair(folder: string): Promise<void> {
  for (const { link, target } of await missingLinks(folder)) {
    await symlink(target, link).catch(ignoreExisting);
  }
  for (const program of PROGRAMS) {
    const file = join(folder, program);
    const { mode } = await stat(file);
    if ((mode & 0o555) !== 0o555) await chmod(file, mode | 0o555);
  }
}

/** `pg-symlinks.json` names link ("target") and existing file ("source") relative to the package. */
async function missingLinks(folder: string): Promise<{ link: string; target: string }[]> {
  const text = await readFile(join(folder, "pg-symlinks.json"), "utf8").catch(() => "[]");
  const entries: unknown = JSON.parse(text);
  if (!Array.isArray(entries)) return [];
  return entries.filter(isLinkEntry).map(({ source, target }) => ({
    link: join(folder, relative("native", target)),
    target: relative(dirname(target), source),
  }));
}

function isLinkEntry(entry: unknown): entry is { source: string; target: string } {
  if (typeof entry !== "object" || entry === null) return false;
  const { source, target } = entry as { source?: unknown; target?: unknown };
  return typeof source === "string" && typeof target === "string";
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== "EEXIST") throw error;
}

/** Of the server in a platform package, as the package's own version begins with it: "18.4". */
export async function nativeVersion(native: string): Promise<string | undefined> {
  return /^\d+\.\d+/.exec(await packageVersion(native))?.[0];
}

async function packageVersion(native: string): Promise<string> {
  const text = await readFile(join(native, "..", "package.json"), "utf8").catch(() => "{}");
  const { version } = JSON.parse(text) as { version?: unknown };
  return typeof version === "string" ? version : "unversioned";
}

/**
 * Copies beside the goal and renames, so that a copy is there whole or not at all. Copies of other
 * versions go: nothing runs from them while the caller holds the supervisor's lock.
 */
async function copyRuntime(native: string, folder: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  for (const name of await readdir(dirname(folder))) {
    if (name.startsWith(COPY)) await rm(join(dirname(folder), name), { recursive: true });
  }
  const draft = await mkdtemp(`${folder}.`);
  try {
    await cp(native, draft, {
      recursive: true,
      // By default links become absolute, and would lead back to where the account cannot go.
      verbatimSymlinks: true,
      // Static libraries are for building extensions only.
      filter: (path) => extname(path) !== ".a",
    });
    await openToAll(draft);
    await repair(draft);
    await rename(draft, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** npm under umask 077 leaves files that only their owner reads; the account is another one. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, isRoot() ? 0o755 : 0o700);
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) continue;
    const { mode } = await stat(path);
    await chmod(path, mode | (entry.isDirectory() ? 0o755 : 0o644));
  }
}
