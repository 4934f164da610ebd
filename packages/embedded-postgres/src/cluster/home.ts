import { createHash } from "node:crypto";
import { chmod, mkdir, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Account } from "../run-command.ts";
import { EmbeddedPostgresError } from "../errors.ts";
import { canEnter } from "./reach.ts";
import { readState, writeState } from "./state-file.ts";

/** Names the folder that holds the cluster where that is not the data dir itself. */
const MARKER = "postgres-location";

/** Folders that survive a reboot and their cleaners; /var/tmp loses files untouched for 30 days. */
const DURABLE_PARENTS = ["/var/lib", "/Users/Shared"];
const LAST_RESORT = "/var/tmp";

/** The folder under a home that Postgres knows as its data directory. */
export function clusterFolder(home: string): string {
  return join(home, "cluster");
}

/** Where an earlier start put the database: its home, or undefined on the first start. */
export async function findHome(dataDir: string): Promise<string | undefined> {
  const home = await readState(dataDir, MARKER);
  if (home === undefined) return (await exists(clusterFolder(dataDir))) ? dataDir : undefined;
  if (await exists(home)) return home;
  throw new EmbeddedPostgresError(
    "data_missing",
    `The database of ${dataDir} was kept in ${home}, which is gone: restore that folder, ` +
      `or remove ${join(dataDir, MARKER)} to begin with an empty database.`,
  );
}

/**
 * The home for a database that is yet to be made: the data dir, or, where the account that runs the
 * server cannot enter it (as under a home of mode 0700), a folder of root's that it can.
 */
export async function chooseHome(
  dataDir: string,
  account: Account | undefined,
  log: (line: string) => void,
): Promise<string> {
  if (account === undefined || (await canEnter(dataDir, account))) return dataDir;
  const home = await makeHome(dataDir, account);
  await writeState(dataDir, MARKER, `${home}\n`);
  log(`the account ${account.name} cannot enter ${dataDir}: the database lives in ${home}`);
  if (home.startsWith(LAST_RESORT))
    log(`${LAST_RESORT} may be cleaned by this system: keep no data there that you need`);
  return home;
}

/** Throws `data_unreachable` when the account that owns a database can no longer enter its home. */
export async function checkReach(home: string, account: Account | undefined): Promise<void> {
  if (account === undefined || (await canEnter(home, account))) return;
  throw new EmbeddedPostgresError(
    "data_unreachable",
    `The database in ${home} belongs to the account ${account.name}, which cannot enter that folder: ` +
      "give it leave to pass (chmod o+x) through the folders above.",
  );
}

async function makeHome(dataDir: string, account: Account): Promise<string> {
  for (const parent of [...DURABLE_PARENTS, LAST_RESORT]) {
    if (!(await exists(parent))) continue;
    const home = await makeUnused(parent, dataDir).catch(() => undefined);
    if (home === undefined) continue;
    if (await canEnter(home, account)) return home;
    await rmdir(home);
  }
  throw new EmbeddedPostgresError(
    "data_unreachable",
    `The account ${account.name} can enter neither ${dataDir} nor a folder that could be made under ` +
      `${[...DURABLE_PARENTS, LAST_RESORT].join(", ")}: set LANEKEEPER_DATA_DIR to a folder that it can enter.`,
  );
}

/**
 * A folder of an earlier data dir at the same path is never taken over, and making it afresh
 * means that nobody else can have prepared it: hence the numbers.
 */
async function makeUnused(parent: string, dataDir: string): Promise<string> {
  const hash = createHash("sha256").update(dataDir).digest("hex").slice(0, 12);
  for (let number = 1; number < 1000; number += 1) {
    const home = join(parent, `lanekeeper-${hash}${number === 1 ? "" : `-${number}`}`);
    const made = await mkdir(home).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "EEXIST") return false;
        throw error;
      },
    );
    if (!made) continue;
    // Passable for the account, listable for root alone, whatever the umask.
    await chmod(home, 0o711);
    return home;
  }
  throw new Error(`${parent} holds a thousand folders of data dirs at ${dataDir}`);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
