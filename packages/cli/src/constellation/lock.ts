import { randomBytes } from "node:crypto";
import { link, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CliError } from "../cli-error.ts";
import type { DataDir } from "./data-dir.ts";
import { processLife } from "./process-life.ts";
import { readOptional } from "./small-file.ts";

interface Holder {
  readonly pid: number;
  readonly life: string;
}

/** What `takeLock` found besides. */
export interface Lock extends AsyncDisposable {
  /** The pid of a start that ended without giving its lock back. */
  readonly recoveredFrom: number | undefined;
}

/** Who holds a data dir now, if a living process does. */
export async function lockHolder(dir: DataDir): Promise<number | undefined> {
  const holder = parseHolder(await readOptional(lockFile(dir)));
  return holder !== undefined && (await isAlive(holder)) ? holder.pid : undefined;
}

/**
 * One constellation a data dir. The lock of a process that no longer lives is taken over.
 * @throws CliError naming the pid of the process that holds it
 */
export async function takeLock(dir: DataDir): Promise<Lock> {
  const path = lockFile(dir);
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  const life = (await processLife(process.pid)) ?? "";
  await writeFile(draft, JSON.stringify({ pid: process.pid, life } satisfies Holder), {
    mode: 0o600,
  });
  try {
    let recoveredFrom: number | undefined;
    // A hard link appears with its whole content, and fails where the name is taken.
    while (!(await linked(draft, path))) recoveredFrom = await clearStale(dir, path);
    return { recoveredFrom, [Symbol.asyncDispose]: () => rm(path, { force: true }) };
  } finally {
    await rm(draft, { force: true });
  }
}

function lockFile(dir: DataDir): string {
  return join(dir.run, "lock.json");
}

/** Moves a dead holder's lock away; gives its pid. */
async function clearStale(dir: DataDir, path: string): Promise<number | undefined> {
  const text = await readOptional(path);
  if (text === undefined) return undefined;
  const holder = parseHolder(text);
  if (holder !== undefined && (await isAlive(holder))) throw inUse(dir, holder.pid);
  const aside = `${path}.${randomBytes(6).toString("hex")}`;
  const moved = await rename(path, aside).then(
    () => true,
    () => false,
  );
  // Another starter may have put its own lock there since this one was read: that goes back.
  if (moved && (await readOptional(aside)) !== text) await linked(aside, path);
  await rm(aside, { force: true });
  return holder?.pid;
}

async function isAlive({ pid, life }: Holder): Promise<boolean> {
  return (await processLife(pid)) === life;
}

function inUse(dir: DataDir, pid: number): CliError {
  return new CliError(
    `Process ${pid} already runs on ${dir.path}: stop it with "kill ${pid}", or set ` +
      "LANEKEEPER_DATA_DIR to another folder.",
  );
}

function parseHolder(text: string | undefined): Holder | undefined {
  try {
    const { pid, life } = JSON.parse(text ?? "") as Partial<Record<keyof Holder, unknown>>;
    return typeof pid === "number" && typeof life === "string" ? { pid, life } : undefined;
  } catch {
    return undefined;
  }
}

function linked(from: string, to: string): Promise<boolean> {
  return link(from, to).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") return false;
      throw error;
    },
  );
}
