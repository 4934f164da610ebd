import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Account, spawnOptions } from "../run-command.ts";
import { EmbeddedPostgresError } from "../errors.ts";
import { clusterFolder } from "../cluster/home.ts";
import { stopByPid } from "./leftover.ts";
import { LIMITS } from "../limits.ts";
import { type LogFile, logTail, openLog } from "./log-file.ts";
import { readPostmasterPid } from "./postmaster-pid.ts";
import type { Runtime } from "../binaries/runtime.ts";

export type LaunchOptions = {
  home: string;
  runtime: Runtime;
  account: Account | undefined;
  logPath: string;
  /** False for servers that are thrown away: nothing is synced to disk. */
  durable: boolean;
  startTimeoutMs: number;
  /** Undefined: as the cluster's own configuration has it. */
  maxConnections: number | undefined;
  signal: AbortSignal | undefined;
  choosePort: () => Promise<number>;
  /** Told of each process at once: it may be minutes until it is ready, and it outlives this one. */
  spawned: (pid: number) => void;
  log: (line: string) => void;
};

export type Launched = { child: ChildProcess; pid: number; port: number };

type Failure = "port_taken" | "leftover_backends" | "other";

/**
 * Starts the server and waits until it accepts connections. Another program's port is answered with
 * another port, a killed server's last backends with patience. Throws `start_failed`,
 * `start_timeout`, `start_aborted`, `account_unusable`.
 */
export async function launch(options: LaunchOptions): Promise<Launched> {
  const deadline = performance.now() + LIMITS.leftoverBackendsMs;
  for (let attempt = 1; ; ) {
    const port = await options.choosePort();
    const log = await openLog(options.logPath);
    const child = await spawnServer(options, port, log);
    const pid = child.pid ?? 0;
    options.spawned(pid);
    if (await becomesReady(options, child, log)) return { child, pid, port };
    const failure = classify(await logTail(log));
    if (failure === "port_taken" && attempt < LIMITS.portAttempts) attempt += 1;
    else if (failure === "leftover_backends" && performance.now() < deadline) await sleep(200);
    else throw startFailed(options, await logTail(log));
  }
}

/**
 * In a process group of its own: Ctrl-C goes to the whole foreground group, and Postgres takes SIGINT
 * for a fast shutdown while the services are still draining.
 */
async function spawnServer(
  { home, runtime, account, durable, maxConnections }: LaunchOptions,
  port: number,
  log: LogFile,
): Promise<ChildProcess> {
  const settings = [
    ["listen_addresses", "127.0.0.1"],
    ["port", String(port)],
    // A socket's name ends at 107 bytes, and data directories may be longer.
    ["unix_socket_directories", ""],
    ["log_destination", "stderr"],
    ["logging_collector", "off"],
    ["lc_messages", "C"],
    ["cluster_name", "lanekeeper"],
    ...(maxConnections === undefined ? [] : [["max_connections", String(maxConnections)]]),
    ...(durable ? [] : THROWAWAY_SETTINGS),
  ];
  const args = [
    "-D",
    clusterFolder(home),
    ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ];
  try {
    const child = spawn(join(runtime.folder, "bin", "postgres"), args, {
      ...spawnOptions(account),
      detached: true,
      stdio: ["ignore", log.handle.fd, log.handle.fd],
    });
    await spawned(child);
    // A handle that nobody stops keeps no process alive; the exit hook stops the server.
    child.unref();
    return child;
  } catch (cause) {
    throw cannotSpawn(account, cause);
  } finally {
    await log.handle.close();
  }
}

/** Besides what the database itself was told when it was made. */
const THROWAWAY_SETTINGS = [
  ["synchronous_commit", "off"],
  // It would come when it likes.
  ["autovacuum", "off"],
];

function spawned(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
}

/** True once the server accepts connections, false when it ended instead. */
async function becomesReady(
  options: LaunchOptions,
  child: ChildProcess,
  log: LogFile,
): Promise<boolean> {
  const began = performance.now();
  const startedAfter = Date.now() / 1000 - 2;
  let told = began;
  while (child.exitCode === null && child.signalCode === null) {
    if (await saysReady(options.home, child, startedAfter)) return true;
    const now = performance.now();
    if (options.signal?.aborted || now - began > options.startTimeoutMs)
      await giveUp(options, child, log);
    if (now - told > 10_000) {
      options.log(
        `Postgres is not ready after ${Math.round((now - began) / 1000)} s (it may be recovering)`,
      );
      told = now;
    }
    await sleep(LIMITS.pollMs);
  }
  return false;
}

/**
 * Looks as pg_ctl does. The time tells this server's lock file from that of a killed one with the same
 * pid, which is common in containers; it is of whole seconds, hence pg_ctl's allowance of two.
 */
async function saysReady(
  home: string,
  child: ChildProcess,
  startedAfter: number,
): Promise<boolean> {
  const lock = await readPostmasterPid(clusterFolder(home));
  if (lock === undefined || lock.pid !== child.pid) return false;
  return lock.startedAtSeconds >= startedAfter && lock.status === "ready";
}

async function giveUp(options: LaunchOptions, child: ChildProcess, log: LogFile): Promise<never> {
  if (child.pid !== undefined) await stopByPid(child.pid);
  if (options.signal?.aborted) {
    throw new EmbeddedPostgresError("start_aborted", "The start of Postgres was called off.", {
      cause: options.signal.reason,
    });
  }
  throw new EmbeddedPostgresError(
    "start_timeout",
    `Postgres was not ready within ${options.startTimeoutMs} ms; ${options.logPath} ends with: ${await logTail(log)}`,
  );
}

/** The server speaks English: lc_messages is C. */
function classify(log: string): Failure {
  if (/could not bind|could not create any TCP\/IP sockets/.test(log)) return "port_taken";
  if (/pre-existing shared memory block/.test(log)) return "leftover_backends";
  return "other";
}

function startFailed({ home, logPath }: LaunchOptions, tail: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    "start_failed",
    `Postgres did not start on ${clusterFolder(home)}; ${logPath} ends with: ${tail.trim()}`,
  );
}

function cannotSpawn(account: Account | undefined, cause: unknown): EmbeddedPostgresError {
  if (account === undefined) {
    return new EmbeddedPostgresError("start_failed", `Postgres cannot be run: ${String(cause)}`, {
      cause,
    });
  }
  return new EmbeddedPostgresError(
    "account_unusable",
    `This root may not start programs as ${account.name} (uid ${account.uid}): start as an ordinary user, ` +
      "or, in a container, leave it the capabilities SETUID and SETGID.",
    { cause },
  );
}
