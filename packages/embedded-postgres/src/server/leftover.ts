import { setTimeout as sleep } from "node:timers/promises";
import { EmbeddedPostgresError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { disownLockFile, readPostmasterPid } from "./postmaster-pid.ts";
import { isPostmasterOf, isRunning } from "./process-info.ts";

/**
 * Clears what a killed supervisor left in a cluster: a server that still runs is stopped cleanly, a
 * lock file whose pid now belongs to another program is disowned. A lock file whose process is
 * gone is Postgres' own to remove. Call it only while holding the supervisor's lock.
 */
export async function clearLeftover(cluster: string, log: (line: string) => void): Promise<void> {
  const lock = await readPostmasterPid(cluster);
  if (lock === undefined || lock.pid === process.pid) return;
  if (await isPostmasterOf(lock.pid, cluster)) {
    log(`stopping the Postgres (pid ${lock.pid}) that an ended start left running`);
    return stopByPid(lock.pid);
  }
  if (isTaken(lock.pid)) await disownLockFile(cluster);
}

/** Fast shutdown, then an immediate one; resolves when the process is gone. Throws `stop_failed`. */
export async function stopByPid(pid: number): Promise<void> {
  signal(pid, "SIGINT");
  if (await waitGone(pid, LIMITS.fastShutdownMs)) return;
  signal(pid, "SIGQUIT");
  if (await waitGone(pid, LIMITS.immediateShutdownMs)) return;
  throw new EmbeddedPostgresError(
    "stop_failed",
    `The Postgres with pid ${pid} does not stop; look at its log, and end it by hand (kill ${pid}).`,
  );
}

async function waitGone(pid: number, boundMs: number): Promise<boolean> {
  const deadline = performance.now() + boundMs;
  while (await isRunning(pid)) {
    if (performance.now() > deadline) return false;
    await sleep(LIMITS.pollMs);
  }
  return true;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** As Postgres asks: also true of a zombie, which holds its pid. */
function isTaken(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
