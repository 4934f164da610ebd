import { randomBytes } from "node:crypto";
import { CliError } from "../../cli-error.ts";
import type { DataDir } from "./data-dir.ts";
import { readOptional, replaceFile } from "./small-file.ts";

/** What the services of an installation share, and the first credential from outside. */
export interface Credentials {
  readonly clusterSecret: string;
  readonly apiKey: string;
  /** Where the key can be read; undefined where LANEKEEPER_API_KEY gave it. */
  readonly apiKeyFile: string | undefined;
}

/** What the environment gave. */
export interface GivenCredentials {
  readonly clusterSecret: string | undefined;
  readonly apiKey: string | undefined;
}

/** @lanekeeper/rpc takes no shorter one: a token lets a short secret be guessed off line. */
const MIN_SECRET_CHARS = 32;

/** Reads the credentials, making those that are neither given nor there. The caller holds the lock. */
export async function openCredentials(dir: DataDir, given: GivenCredentials): Promise<Credentials> {
  const clusterSecret =
    given.clusterSecret ??
    (await readOrMake(dir.clusterSecretFile, () => randomBytes(32).toString("hex")));
  if (clusterSecret.length < MIN_SECRET_CHARS) {
    const has = `has ${clusterSecret.length} characters`;
    throw new CliError(
      given.clusterSecret === undefined
        ? `${dir.clusterSecretFile} ${has}, and needs ${MIN_SECRET_CHARS}: restore it, or remove it to have ` +
            "a new one made."
        : `The cluster secret ${has}: set LANEKEEPER_CLUSTER_SECRET to at least ${MIN_SECRET_CHARS} ` +
            "(openssl rand -hex 32).",
    );
  }
  if (given.apiKey !== undefined) {
    return { clusterSecret, apiKey: given.apiKey, apiKeyFile: undefined };
  }
  const apiKey = await readOrMake(
    dir.apiKeyFile,
    () => `lk_${randomBytes(24).toString("base64url")}`,
  );
  return { clusterSecret, apiKey, apiKeyFile: dir.apiKeyFile };
}

async function readOrMake(path: string, make: () => string): Promise<string> {
  const found = await readOptional(path);
  if (found === "") {
    throw new CliError(`${path} is empty: restore it, or remove it to have a new one made.`);
  }
  if (found !== undefined) return found;
  const made = make();
  await replaceFile(path, `${made}\n`);
  return made;
}
