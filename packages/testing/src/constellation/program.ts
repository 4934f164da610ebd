import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../../../cli/bin/lanekeeper.js", import.meta.url));

/** A running `lanekeeper` command. */
export interface Program {
  readonly process: ChildProcess;
  /** Standard output and standard error so far. */
  output(): string;
  /** Resolves to how it ended, once it has. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

export interface ProgramOptions {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/**
 * Runs the `lanekeeper` program of this repository. It has an IPC channel to this process, by whose
 * end it notices ours, so that an interrupted test leaves nothing running.
 */
export function runProgram({ args, env, cwd }: ProgramOptions): Program {
  const child = spawn(process.execPath, [BIN, ...args], {
    env,
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const ended = once(child, "close").then(() => ({
    code: child.exitCode,
    signal: child.signalCode,
  }));
  return { process: child, output: () => output, ended };
}
