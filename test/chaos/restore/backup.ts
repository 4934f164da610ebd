import { execFile } from "node:child_process";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { DatabaseServer } from "../world/database.ts";

const run = promisify(execFile);

/** Of the embedded server, in its home. */
const CLUSTER = "cluster";
/** Of a server that runs; one that is restored makes its own. */
const OF_A_RUN = new Set(["postmaster.pid", "postmaster.opts", "pg_wal"]);

/**
 * A base backup of a server in use, as https://www.postgresql.org/docs/18/continuous-archiving.html
 * (25.3.4, the low-level API) has it: the files as they are being written, then the log that makes them
 * whole, and the label that says from where it is to be read.
 */
export async function backUp(database: DatabaseServer, to: string): Promise<void> {
  const from = join(database.home, CLUSTER);
  await run("mkdir", ["-p", to]);
  await database.admin(async (db) => {
    await db.transaction(async (tx) => {
      // Copying takes as long as it takes.
      await tx.query("set local idle_in_transaction_session_timeout = 0");
      await tx.query("select pg_backup_start('lanekeeper', true)");
      for (const name of await readdir(from)) {
        // Files that go away meanwhile are in the log.
        if (!OF_A_RUN.has(name)) await copy(join(from, name), to);
      }
      const stopped = await tx.query<{ labelfile: string }>(
        "select labelfile from pg_backup_stop(false)",
      );
      await copy(join(from, "pg_wal"), to);
      await writeFile(join(to, "backup_label"), stopped.rows[0]?.labelfile ?? "");
    });
  });
  await run("chown", ["--reference", join(to, "PG_VERSION"), join(to, "backup_label")]);
}

/** Stops the server, puts the backup in the place of its files, and starts it on them. */
export async function restore(database: DatabaseServer, backup: string): Promise<void> {
  const cluster = join(database.home, CLUSTER);
  await database.replaceData(async () => {
    for (const name of await readdir(cluster)) {
      await rm(join(cluster, name), { recursive: true, force: true });
    }
    for (const name of await readdir(backup)) await copy(join(backup, name), cluster);
  });
}

/** With owners and rights; a file that vanished while it was copied is no error. */
async function copy(from: string, to: string): Promise<void> {
  await run("cp", ["-a", from, to]).catch((error: unknown) => {
    if (!/cannot (stat|open|access)/.test(String((error as { stderr?: string }).stderr)))
      throw error;
  });
}
