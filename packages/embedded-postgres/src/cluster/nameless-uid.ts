import { readFile } from "node:fs/promises";
import { EmbeddedPostgresError, USE_YOUR_OWN } from "../errors.ts";
import { type CommandOptions, type CommandResult, runCommand } from "../run-command.ts";

/**
 * Runs initdb for a uid that has no entry in /etc/passwd (as under `docker run --user 12345`).
 * initdb alone looks its own name up and stops without one; the server does not. In a user namespace
 * that maps this uid to one that has a name, it finds a name, and its files still belong to the
 * real uid. Where the system forbids such namespaces (Docker's default seccomp profile does),
 * throws `unknown_uid`.
 */
export async function borrowedName(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const named = await someNamedUid();
  const inNamespace = ["--user", `--map-user=${named}`, "--", program, ...args];
  const result = await runCommand("unshare", inNamespace, options);
  if (result.code === 0) return result;
  const uid = options.account?.uid ?? process.getuid?.();
  throw new EmbeddedPostgresError(
    "unknown_uid",
    `The user id ${uid} has no entry in /etc/passwd, and Postgres makes no database for a user without a ` +
      "name: run under an account that has one (docker run --user node), mount an /etc/passwd that " +
      `names ${uid}, ${USE_YOUR_OWN}.`,
    { cause: new Error(result.stderr.trim()) },
  );
}

async function someNamedUid(): Promise<number> {
  const passwd = await readFile("/etc/passwd", "utf8").catch(() => "");
  const uids = passwd.split("\n").map((line) => Number(line.split(":")[2]));
  return uids.findLast((uid) => Number.isInteger(uid) && uid > 0) ?? 65_534;
}
