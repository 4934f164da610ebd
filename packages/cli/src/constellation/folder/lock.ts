import { randomBytes } from "node:crypto";
import { link, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeOwnFile } from "@lanekeeper/embedded-postgres";
import { CliError } from "../../cli-error.ts";
import type { DataDir } from "./data-dir.ts";
import { processLife } from "../processes/process-life.ts";
import {
  giveSignOfLife,
  isSignGiven,
  isSignOfLife,
  pidNamespace,
  type SignOfLife,
} from "./sign-of-life.ts";
import { readOptional } from "./small-file.ts";

interface Holder {
  readonly pid: number;
  readonly life: string;
  /** Where that pid is known. Undefined in a lock of a release that did not tell. */
  readonly namespace?: string | undefined;
  /** The name of its sign of life. */
  readonly sign?: string | undefined;
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
  return holder !== undefined && (await isAlive(dir, holder)) ? holder.pid : undefined;
}

/**
 * One constellation a data dir. The lock is the file with the highest number; that of a process that no
 * longer lives is overtaken by making the next number, which only one of many can. (A dead lock that
 * was moved away instead could be the living one of somebody who had just done the same.) The file
 * overtaken stays until the release, so that whoever looks meanwhile sees that there is one.
 * Of a process in another container nothing is seen but its sign of life.
 * @throws CliError naming the pid of the process that holds it
 */
export async function takeLock(dir: DataDir): Promise<Lock> {
  const draft = join(dir.run, `lock-draft.${randomBytes(6).toString("hex")}`);
  const sign = await giveSignOfLife(dir.run);
  try {
    await writeOwnFile(draft, JSON.stringify(await ourselves(sign)));
    for (;;) {
      const last = Math.max(0, ...(await lockNumbers(dir)));
      const holder = await readHolder(lockFile(dir, last));
      if (holder !== undefined && (await isAlive(dir, holder))) throw await inUse(dir, holder);
      // A hard link appears with its whole content, and fails where the name is taken.
      if (!(await linked(draft, lockFile(dir, last + 1)))) continue;
      await removeUpTo(dir, last - 1);
      await removeSigns(dir, sign?.name);
      const release = async () => {
        await removeUpTo(dir, last + 1);
        await sign?.[Symbol.asyncDispose]();
      };
      return { recoveredFrom: holder?.pid, [Symbol.asyncDispose]: release };
    }
  } catch (error) {
    await sign?.[Symbol.asyncDispose]();
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function ourselves(sign: SignOfLife | undefined): Promise<Holder> {
  const { pid } = process;
  const [life, namespace] = await Promise.all([processLife(pid), pidNamespace()]);
  return { pid, life: life ?? "", namespace, sign: sign?.name };
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

/** What those that were killed have left; whoever holds no lock loses nothing by it. */
async function removeSigns(dir: DataDir, ours: string | undefined): Promise<void> {
  for (const name of await readdir(dir.run)) {
    if (isSignOfLife(name) && name !== ours) await rm(join(dir.run, name), { force: true });
  }
}

async function isAlive(dir: DataDir, holder: Holder): Promise<boolean> {
  const { pid, life, sign } = holder;
  if (sign !== undefined && (await isElsewhere(holder))) return isSignGiven(dir.run, sign);
  return (await processLife(pid)) === life;
}

async function isElsewhere({ namespace }: Holder): Promise<boolean> {
  return namespace !== undefined && namespace !== (await pidNamespace());
}

async function inUse(dir: DataDir, holder: Holder): Promise<CliError> {
  const { pid } = holder;
  const [who, stop] = (await isElsewhere(holder))
    ? [`Process ${pid} of another container`, "stop that one"]
    : [`Process ${pid}`, `stop it with "kill ${pid}"`];
  return new CliError(
    `${who} already runs on ${dir.path}: ${stop}, or set LANEKEEPER_DATA_DIR to another folder.`,
  );
}

async function readHolder(file: string): Promise<Holder | undefined> {
  // One that may not be read is no reason to take it for a dead one's.
  const text = (await readOptional(file)) ?? "";
  try {
    const { pid, life, namespace, sign } = JSON.parse(text) as Record<string, unknown>;
    if (typeof pid !== "number" || typeof life !== "string") return undefined;
    return { pid, life, namespace: textOf(namespace), sign: textOf(sign) };
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
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
