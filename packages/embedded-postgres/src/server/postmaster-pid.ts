import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * What the server's lock file says; its lines are fixed by Postgres' `miscadmin.h` (LOCK_FILE_LINE_*).
 * Later lines are added as the start goes on.
 */
export type PostmasterPid = {
  pid: number;
  /** Seconds since 1970. */
  startedAtSeconds: number;
  /** "starting", "stopping", "ready", "standby"; undefined early in the start. */
  status: string | undefined;
};

export async function readPostmasterPid(cluster: string): Promise<PostmasterPid | undefined> {
  const text = await readFile(join(cluster, "postmaster.pid"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : parsePostmasterPid(text);
}

export function parsePostmasterPid(text: string): PostmasterPid | undefined {
  const lines = text.split("\n");
  // A negative pid is that of a single-user server, which locks the same way.
  const pid = Math.abs(Number(lines[0]));
  if (!Number.isInteger(pid) || pid === 0) return undefined;
  const startedAtSeconds = Number(lines[2] ?? 0);
  const status = lines[7]?.trim();
  return { pid, startedAtSeconds, status: status === "" ? undefined : status };
}

/**
 * Puts our own pid into a lock file whose pid belongs to a program that is no Postgres. Postgres takes
 * its parent's pid for a left-over and goes on to look for backends that are still attached to
 * the old shared memory; removing the file would take that second check away.
 */
export async function disownLockFile(cluster: string): Promise<void> {
  const path = join(cluster, "postmaster.pid");
  const [, ...rest] = (await readFile(path, "utf8")).split("\n");
  await writeFile(path, [String(process.pid), ...rest].join("\n"));
}
