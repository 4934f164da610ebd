import { randomBytes } from "node:crypto";
import { link, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeOwnFile } from "@lanekeeper/embedded-postgres";
import { CliError } from "../../cli-error.ts";
import type { DataDir } from "./data-dir.ts";
import { processLife } from "../processes/process-life.ts";
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
  const last = Math.max(0, ...(await lockNumbers(dir)));
  const holder = await readHolder(lockFile(dir, last));
  return holder !== undefined && (await isAlive(holder)) ? holder.pid : undefined;
}

/**
 * One constellation a data dir. The lock is the file with the highest number; that of a process that no
 * longer lives is overtaken by making the next number, which only one of many can. (A dead lock that
 * was moved away instead could be the living one of somebody who had just done the same.) The file
 * overtaken stays until the release, so that whoever looks meanwhile sees that there is one.
 * @throws CliError naming the pid of the process that holds it
 */
export async function takeLock(dir: DataDir): Promise<Lock> {
  const draft = join(dir.run, `lock-draft.${randomBytes(6).toString("hex")}`);
  const life = (await processLife(process.pid)) ?? "";
  try {
    await writeOwnFile(draft, JSON.stringify({ pid: process.pid, life } satisfies Holder));
    for (;;) {
      const last = Math.max(0, ...(await lockNumbers(dir)));
      const holder = await readHolder(lockFile(dir, last));
      if (holder !== undefined && (await isAlive(holder))) throw inUse(dir, holder.pid);
      // A hard link appears with its whole content, and fails where the name is taken.
      if (!(await linked(draft, lockFile(dir, last + 1)))) continue;
      await removeUpTo(dir, last - 1);
      return { recoveredFrom: holder?.pid, [Symbol.asyncDispose]: () => removeUpTo(dir, last + 1) };
    }
  } finally {
    await rm(draft, { force: true });
  }
}

function lockFile(dir: DataDir, number: number): string {
  return join(dir.run, `lock-${number}.json`);
}

async function lockNumbers(dir: DataDir): Promise<number[]> {
  const names = await readdir(dir.run).catch(() => []);
  return names
    .flatMap((name) => /^lock-(\d+)\.json$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** From the oldest on: the last one goes last. */
async function removeUpTo(dir: DataDir, number: number): Promise<void> {
  for (const each of await lockNumbers(dir)) {
    if (each <= number) await rm(lockFile(dir, each), { force: true });
  }
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

async function readHolder(file: string): Promise<Holder | undefined> {
  // One that may not be read is no reason to take it for a dead one's.
  const text = (await readOptional(file)) ?? "";
  try {
    const { pid, life } = JSON.parse(text) as Record<string, unknown>;
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
