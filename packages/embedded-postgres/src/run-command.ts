import { execFile } from "node:child_process";
import { LIMITS } from "./limits.ts";

/** A system account that server processes run as. */
export type Account = { uid: number; gid: number; name: string };

export type CommandResult = {
  /** Exit code; undefined when the program could not be started or was ended by a signal. */
  code: number | undefined;
  stdout: string;
  stderr: string;
};

export type CommandOptions = { account?: Account | undefined; timeoutMs?: number };

/** Runs a program to its end, as another account when one is given. Never throws. */
export function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const timeout = options.timeoutMs ?? LIMITS.probeTimeoutMs;
  return new Promise<CommandResult>((resolve) => {
    execFile(file, args, { ...spawnOptions(options.account), timeout }, (error, stdout, stderr) => {
      if (error === null) return resolve({ code: 0, stdout, stderr });
      const code = typeof error.code === "number" ? error.code : undefined;
      resolve({ code, stdout, stderr: stderr === "" ? error.message : stderr });
    });
  }).catch((error: unknown) => {
    // A uid that may not be taken (EPERM, EINVAL) is thrown at once, not reported by the callback.
    return { code: undefined, stdout: "", stderr: String(error) };
  });
}

/**
 * What all our children share: another account where one is given, a working directory that every
 * account can enter, and an environment without the caller's PG* variables (PGDATA, PGPORT, ...),
 * locale and library path, which would change what initdb and the server do.
 */
export function spawnOptions(account: Account | undefined) {
  return {
    cwd: "/",
    env: {
      PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
      LC_ALL: "C",
      TZ: "UTC",
    },
    ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
  };
}
