import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { EnvError } from "./env.ts";
import { Secret } from "./secret.ts";
import type { Settings } from "./settings.ts";

/** @lanekeeper/rpc takes no shorter one: a token lets a short secret be guessed off line. */
const MIN_SECRET_CHARS = 32;

/**
 * What the services of one installation know each other by: LANEKEEPER_CLUSTER_SECRET, else what
 * `lanekeeper start` made in the data dir.
 * @throws EnvError where there is none, or one that can be guessed
 */
export async function clusterSecret(
  settings: Pick<Settings, "clusterSecret" | "dataDir">,
): Promise<Secret> {
  const secret = settings.clusterSecret ?? (await storedSecret(settings.dataDir));
  const { length } = secret.reveal();
  if (length >= MIN_SECRET_CHARS) return secret;
  throw wrong(`The cluster secret has ${length} characters`);
}

async function storedSecret(dataDir: string): Promise<Secret> {
  const path = join(dataDir, "cluster-secret");
  try {
    return new Secret((await readFile(path, "utf8")).trim());
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw wrong(`There is no cluster secret, and ${path} cannot be read (${code})`);
  }
}

function wrong(what: string): EnvError {
  const variable = "LANEKEEPER_CLUSTER_SECRET";
  const sentence =
    `${what}: set ${variable} to at least ${MIN_SECRET_CHARS} characters (openssl rand -hex 32), the same for ` +
    "all services, or run `npm start`, which makes one.";
  return new EnvError([{ variable, sentence }]);
}
