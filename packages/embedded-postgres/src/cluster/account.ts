import { stat } from "node:fs/promises";
import { EmbeddedPostgresError, USE_YOUR_OWN } from "../errors.ts";
import { runCommand, type Account } from "../run-command.ts";

/** Names in order of preference. None is created: an installer's `npm start` adds no accounts. */
const CANDIDATES = ["postgres", "_postgres", "nobody"];

/** True when this process is root, whom Postgres refuses. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * Whom the server runs as: undefined is this process's own uid.
 *
 * Under root an existing cluster keeps its owner, so that the data stays readable when a better
 * account appears later, or when root starts what an ordinary user began. A new one takes the
 * first candidate that exists.
 */
export async function chooseAccount(
  existingCluster: string | undefined,
): Promise<Account | undefined> {
  if (existingCluster === undefined) return isRoot() ? firstCandidate() : undefined;
  const owner = await stat(existingCluster);
  if (!isRoot() && owner.uid === process.getuid?.()) return undefined;
  if (isRoot() && owner.uid !== 0) {
    return { uid: owner.uid, gid: owner.gid, name: await accountName(owner.uid) };
  }
  throw await wrongOwner(existingCluster, owner.uid);
}

async function wrongOwner(cluster: string, owner: number): Promise<EmbeddedPostgresError> {
  const advice = isRoot()
    ? `Postgres refuses to run as root: give it to another account (chown -R ${(await firstCandidate()).name} ${cluster})`
    : "start as that user, or choose another folder with LANEKEEPER_DATA_DIR";
  return new EmbeddedPostgresError(
    "wrong_owner",
    `The database in ${cluster} belongs to uid ${owner}, and this process runs as uid ${process.getuid?.()}. ` +
      `${advice}.`,
  );
}

async function firstCandidate(): Promise<Account> {
  for (const name of CANDIDATES) {
    const account = await lookUp(name);
    if (account !== undefined) return account;
  }
  throw new EmbeddedPostgresError(
    "account_missing",
    `Postgres refuses to run as root, and this system has none of the accounts ${CANDIDATES.join(", ")}: ` +
      `start as an ordinary user, ${USE_YOUR_OWN}.`,
  );
}

async function lookUp(name: string): Promise<Account | undefined> {
  const [uid, gid] = await Promise.all([idOf("-u", name), idOf("-g", name)]);
  return uid === undefined || gid === undefined || uid === 0 ? undefined : { uid, gid, name };
}

async function idOf(flag: "-u" | "-g", name: string): Promise<number | undefined> {
  const { code, stdout } = await runCommand("id", [flag, name]);
  if (code !== 0 || !/^\d+\s*$/.test(stdout)) return undefined;
  // macOS prints nobody's -2 as 4294967294, and spawn takes signed 32-bit ids.
  return Number(stdout) | 0;
}

async function accountName(uid: number): Promise<string> {
  const { code, stdout } = await runCommand("id", ["-nu", String(uid)]);
  return code === 0 ? stdout.trim() : `uid ${uid}`;
}
