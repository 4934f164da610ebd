import { systemClock } from "@lanekeeper/service";
import type { DataDir } from "./data-dir.ts";
import { processCommand, processLife } from "../processes/process-life.ts";
import { readState } from "./state-file.ts";

export interface LeftoverOptions {
  readonly dir: DataDir;
  /** How long the services of the killed start may take to drain. */
  readonly graceMs: number;
  readonly tell: (line: string) => void;
  readonly stop: AbortSignal;
}

const POLL_MS = 50;

/**
 * Waits for what a killed start has left on a data dir: its services notice its end and drain, which
 * takes them up to their drain timeout, and hold their ports until then. Call it holding the lock.
 */
export async function awaitLeftovers({ dir, graceMs, tell, stop }: LeftoverOptions): Promise<void> {
  const state = await readState(dir).catch(() => undefined);
  const pids = Object.values(state?.services ?? {}).flatMap(({ pid }) => pid ?? []);
  const left = await whichAreOurs(pids);
  if (left.length === 0) return;
  tell(`waiting for services of the killed start to end (pids ${left.join(", ")})`);
  const deadline = performance.now() + graceMs;
  while (performance.now() < deadline) {
    if ((await whichAreOurs(left)).length === 0) return;
    await systemClock.sleep(POLL_MS, stop);
  }
  for (const pid of await whichAreOurs(left)) process.kill(pid, "SIGKILL");
}

/** A pid may belong to another program by now; a service names itself "lanekeeper <service>". */
async function whichAreOurs(pids: readonly number[]): Promise<number[]> {
  const checked = await Promise.all(
    pids.map(
      async (pid) =>
        (await processLife(pid)) !== undefined &&
        (await processCommand(pid)).includes("lanekeeper"),
    ),
  );
  return pids.filter((_pid, index) => checked[index]);
}
