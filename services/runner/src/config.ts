import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { formatTarget, type ListenAddress, Secret, type Settings } from "@lanekeeper/service";

/** The schema that holds the runner's tables. */
export const SCHEMA = "lanekeeper_runner";

/** The folder of the `NNNN_name.sql` files, for `lanekeeper migrate` and the check at the start. */
export const MIGRATIONS = fileURLToPath(new URL("../migrations", import.meta.url));

/** What the runner takes from the environment. */
export interface RunnerConfig {
  readonly grpc: ListenAddress;
  readonly databaseUrl: Secret;
  readonly clusterSecret: Secret;
  readonly identityTarget: string;
  readonly deliveryTarget: string;
}

/** @throws with a sentence that names the variable to set */
export async function readConfig(settings: Settings): Promise<RunnerConfig> {
  const { grpc, databaseUrl } = settings.services.runner;
  if (databaseUrl === undefined) {
    throw new Error("no database: set LANEKEEPER_RUNNER_DATABASE_URL or DATABASE_URL");
  }
  return {
    grpc,
    databaseUrl,
    clusterSecret: settings.clusterSecret ?? (await storedSecret(settings.dataDir)),
    identityTarget: formatTarget(settings.services["session-identity"].target),
    deliveryTarget: formatTarget(settings.services.delivery.target),
  };
}

/** What `lanekeeper start` made for the services of one machine. */
async function storedSecret(dataDir: string): Promise<Secret> {
  const path = join(dataDir, "cluster-secret");
  try {
    return new Secret((await readFile(path, "utf8")).trim());
  } catch (cause) {
    const message = `no cluster secret: set LANEKEEPER_CLUSTER_SECRET, or put one into ${path}`;
    throw new Error(message, { cause });
  }
}
