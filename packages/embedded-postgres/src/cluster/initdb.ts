import { chmod, chown, mkdtemp, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Account, type CommandResult, runCommand } from "../run-command.ts";
import { EmbeddedPostgresError, USE_YOUR_OWN } from "../errors.ts";
import { clusterFolder } from "./home.ts";
import { LIMITS } from "../limits.ts";
import { borrowedName } from "./nameless-uid.ts";
import type { Runtime } from "../binaries/runtime.ts";
import { syncFolder } from "./state-file.ts";

const DRAFT = "initdb-draft-";

export type InitOptions = {
  home: string;
  runtime: Runtime;
  account: Account | undefined;
  password: string;
  /** False is for databases that are thrown away, whoever starts a server on them. */
  durable: boolean;
};

/**
 * Makes the database cluster of a home. It is made under another name and renamed when complete,
 * so that an interrupted first start leaves nothing that looks like a database.
 */
export async function initCluster(options: InitOptions): Promise<void> {
  const { home, account, password } = options;
  await removeDrafts(home);
  const draft = await ownFolder(join(home, `${DRAFT}cluster-`), account);
  const secret = await ownFolder(join(home, `${DRAFT}password-`), account);
  try {
    const passwordFile = join(secret, "password");
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    if (account !== undefined) await chown(passwordFile, account.uid, account.gid);
    await runInitdb(options, draft, passwordFile);
    await rename(draft, clusterFolder(home));
    if (options.durable) await syncFolder(home);
  } finally {
    await rm(secret, { recursive: true, force: true });
    await rm(draft, { recursive: true, force: true });
  }
}

/** Those of an interrupted start. An initdb that still writes to one only keeps it from going now. */
async function removeDrafts(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    if (!name.startsWith(DRAFT)) continue;
    await rm(join(home, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

/**
 * Throws `wrong_major_version` when the cluster was made by another major release of Postgres than
 * this `version` ("18.4"). Says nothing where it may not look, as in a stranger's cluster.
 */
export async function checkMajorVersion(home: string, version: string): Promise<void> {
  const cluster = clusterFolder(home);
  const file = await readFile(join(cluster, "PG_VERSION"), "utf8").catch(() => undefined);
  const found = file?.trim();
  if (found === undefined || found === version.split(".")[0]) return;
  throw new EmbeddedPostgresError(
    "wrong_major_version",
    `The database in ${cluster} is of Postgres ${found}, and this release of Lanekeeper runs Postgres ` +
      `${version}, which cannot read it: dump it with pg_dump of version ${found} and restore it ` +
      `into a new data directory, set LANEKEEPER_DATA_DIR to another folder to begin empty, ${USE_YOUR_OWN}.`,
  );
}

/** A new empty folder of mode 0700 that belongs to whom the server runs as. */
async function ownFolder(prefix: string, account: Account | undefined): Promise<string> {
  const folder = await mkdtemp(prefix);
  await chmod(folder, 0o700);
  if (account !== undefined) await chown(folder, account.uid, account.gid);
  return folder;
}

async function runInitdb(options: InitOptions, draft: string, passwordFile: string): Promise<void> {
  // The built-in provider sorts the same on every system. The C library's C.UTF-8 classifies
  // letters for full-text search; macOS before 15 has none, and C takes all that is not ASCII for letters.
  let result = await initdb(options, draft, passwordFile, "C.UTF-8");
  if (/invalid locale name/.test(result.stderr))
    result = await initdb(options, draft, passwordFile, "C");
  if (result.code === 0) return;
  throw new EmbeddedPostgresError(
    "initdb_failed",
    `initdb could not make a database in ${options.home}: ${result.stderr.trim()}`,
  );
}

/**
 * Who connects derives its key as often as `scram_iterations` says: 4096 times are a tenth of what a connection costs. The rest
 * spares syncs, and processes of the server's own without work. What was committed survives a killed server
 * all the same, though not a machine that loses its power.
 */
const THROWAWAY = [
  "--no-sync",
  "--set=scram_iterations=1",
  "--set=fsync=off",
  "--set=full_page_writes=off",
  "--set=io_method=sync",
  "--set=max_logical_replication_workers=0",
];

async function initdb(
  { runtime, account, durable }: InitOptions,
  draft: string,
  passwordFile: string,
  characterType: string,
): Promise<CommandResult> {
  const program = join(runtime.folder, "bin", "initdb");
  const args = [
    `--pgdata=${draft}`,
    "--username=postgres",
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    `--lc-ctype=${characterType}`,
    `--set=max_connections=${LIMITS.maxConnections}`,
    "--no-instructions",
    ...(durable ? [] : THROWAWAY),
  ];
  const timeoutMs = LIMITS.initdbTimeoutMs;
  const result = await runCommand(program, args, { account, timeoutMs });
  if (!/could not look up effective user ID/.test(result.stderr)) return result;
  return borrowedName(program, args, { account, timeoutMs });
}
