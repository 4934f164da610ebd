import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ListenAddress, Secret, type Settings } from "@lanekeeper/service";

/** What this service takes from the environment. */
export interface IdentityConfig {
  readonly grpc: ListenAddress;
  readonly databaseUrl: Secret;
  readonly clusterSecret: Secret;
}

/** @throws with a sentence that names the variable to set */
export function readConfig(settings: Settings): IdentityConfig {
  const { grpc, databaseUrl } = settings.services["session-identity"];
  const { clusterSecret } = settings;
  if (databaseUrl === undefined) {
    throw new Error(
      "set LANEKEEPER_IDENTITY_DATABASE_URL or DATABASE_URL, or use `lanekeeper start`",
    );
  }
  return { grpc, databaseUrl, clusterSecret: clusterSecret ?? storedSecret(settings.dataDir) };
}

/** What `lanekeeper start` made for the services of one machine. */
function storedSecret(dataDir: string): Secret {
  const path = join(dataDir, "cluster-secret");
  try {
    return new Secret(readFileSync(path, "utf8").trim());
  } catch (cause) {
    throw new Error(`set LANEKEEPER_CLUSTER_SECRET: there is no file ${path} either`, { cause });
  }
}
