import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { stopByPid } from "./leftover.ts";

/** How a server ended. */
export type ServerExit = {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** True when `stop` asked for it. */
  expected: boolean;
};

/** A running server process, as its parent sees it. */
export type ServerProcess = {
  pid: number;
  /** Ends sessions, writes a checkpoint, resolves when the process is gone. Repeats join the first. */
  stop(): Promise<void>;
  /** Calls back once, when the server has ended for whatever reason. */
  onExit(listener: (exit: ServerExit) => void): void;
};

/**
 * Watches a started server. `cleanUp` runs once, after its end.
 * When this process ends without having stopped it, the server is told to shut down, which it
 * finishes by itself; after a `kill -9` the next start stops it.
 */
export function superviseServer(
  child: ChildProcess,
  pid: number,
  cleanUp: () => Promise<void>,
): ServerProcess {
  let stopping: Promise<void> | undefined;
  const shutDown = () => void child.kill("SIGINT");
  process.once("exit", shutDown);
  const ended = exitOf(child).then(async ({ code, signal }) => {
    process.removeListener("exit", shutDown);
    await cleanUp();
    return { code, signal, expected: stopping !== undefined };
  });
  // A failure of the clean-up is told by stop(), and is no reason to end the process.
  ended.catch(() => undefined);

  const stop = async () => {
    child.ref();
    if (child.exitCode === null && child.signalCode === null) await stopByPid(pid);
    await ended;
  };
  return {
    pid,
    stop: () => (stopping ??= stop()),
    onExit: (listener) => void ended.then(listener, () => undefined),
  };
}

async function exitOf(
  child: ChildProcess,
): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return { code: child.exitCode, signal: child.signalCode };
}
