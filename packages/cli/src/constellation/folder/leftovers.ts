import { systemClock } from "@lanekeeper/service";
import type { DataDir } from "./data-dir.ts";
import { processCommand, processLife } from "../processes/process-life.ts";
import { readState, type ServiceState } from "./state-file.ts";

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
  const left = await stillRunning(Object.entries(state?.services ?? {}));
  if (left.length === 0) return;
  tell(`waiting for services of the killed start to end (pids ${pidsOf(left).join(", ")})`);
  const deadline = performance.now() + graceMs;
  while (performance.now() < deadline) {
    if ((await stillRunning(left)).length === 0) return;
    await systemClock.sleep(POLL_MS, stop);
  }
  for (const pid of pidsOf(await stillRunning(left))) process.kill(pid, "SIGKILL");
}

type Named = readonly [name: string, service: ServiceState];

async function stillRunning(services: readonly Named[]): Promise<Named[]> {
  const checked = await Promise.all(services.map((service) => isStillRunning(service)));
  return services.filter((_service, index) => checked[index]);
}

/** A pid may belong to another program by now, ourselves among them: after a reboot, in a new container. */
async function isStillRunning([name, { pid, life }]: Named): Promise<boolean> {
  if (pid === null || pid === process.pid) return false;
  const found = await processLife(pid);
  if (found === undefined) return false;
  if (life !== undefined) return found === life;
  // Written by a release that did not tell lives: a service has the one name, or is about to give it to itself.
  const command = await processCommand(pid);
  return (
    command.startsWith(`lanekeeper ${name}`) || command.endsWith(`lanekeeper.js start ${name}`)
  );
}

function pidsOf(services: readonly Named[]): number[] {
  return services.flatMap(([, { pid }]) => pid ?? []);
}
