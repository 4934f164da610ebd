import { randomBytes } from "node:crypto";
import { link, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeOwnFile } from "../cluster/owner.ts";
import { readState } from "../cluster/state-file.ts";
import { EmbeddedPostgresError } from "../errors.ts";
import { processIdentity } from "./process-info.ts";

type Holder = { pid: number; identity: string };

const FILE = "supervisor.json";

/** Homes that this very process holds: its own pid says nothing about which start it belongs to. */
const heldHere = new Set<string>();

/**
 * Takes the right to run the server of a home and resolves to the function that gives it back.
 * The lock of a process that no longer lives is taken over: that tells a server which a killed
 * supervisor left behind from one that is in use. Throws `already_running`.
 */
export async function takeSupervisorLock(home: string): Promise<() => Promise<void>> {
  if (heldHere.has(home)) throw alreadyRunning(home, process.pid);
  heldHere.add(home);
  try {
    const path = join(home, FILE);
    await acquire(home, path);
    return async () => {
      await rm(path, { force: true });
      heldHere.delete(home);
    };
  } catch (error) {
    heldHere.delete(home);
    throw error;
  }
}

async function acquire(home: string, path: string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  const identity = (await processIdentity(process.pid)) ?? "";
  try {
    await writeOwnFile(draft, JSON.stringify({ pid: process.pid, identity } satisfies Holder));
    // A hard link appears with its whole content, and fails where the name is taken.
    while (!(await linked(draft, path))) await removeStale(home, path);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Moves a dead holder's lock aside; throws when the holder lives. */
async function removeStale(home: string, path: string): Promise<void> {
  const text = await readState(home, FILE);
  if (text === undefined) return;
  await refuseIfAlive(home, text);
  const aside = `${path}.${randomBytes(6).toString("hex")}`;
  const moved = await rename(path, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return;
  // Another starter may have replaced the dead lock by its own since it was read: put that back.
  if ((await readFile(aside, "utf8")) !== text) await linked(aside, path);
  await rm(aside, { force: true });
}

async function refuseIfAlive(home: string, text: string): Promise<void> {
  const holder = parseHolder(text);
  if (holder === undefined || holder.pid === process.pid) return;
  if ((await processIdentity(holder.pid)) === holder.identity)
    throw alreadyRunning(home, holder.pid);
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, identity } = JSON.parse(text) as Partial<Record<keyof Holder, unknown>>;
    return typeof pid === "number" && typeof identity === "string" ? { pid, identity } : undefined;
  } catch {
    return undefined;
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  return link(from, to).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") return false;
      throw error;
    },
  );
}

function alreadyRunning(home: string, pid: number): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    "already_running",
    `Process ${pid} already runs the database in ${home}: stop it first, or set LANEKEEPER_DATA_DIR ` +
      "to another folder.",
  );
}
