import { fileURLToPath } from "node:url";
import {
  clusterSecret,
  formatTarget,
  type ListenAddress,
  type Secret,
  type Settings,
  type TlsPaths,
  tlsPaths,
} from "@lanekeeper/service";

/** The schema that holds the runner's tables. */
export const SCHEMA = "lanekeeper_runner";

/** The folder of the `NNNN_name.sql` files, for `lanekeeper migrate` and the check at the start. */
export const MIGRATIONS = fileURLToPath(new URL("../migrations", import.meta.url));

/** What the runner takes from the environment. */
export interface RunnerConfig {
  readonly grpc: ListenAddress;
  readonly databaseUrl: Secret;
  readonly clusterSecret: Secret;
  /** Undefined: plain, and services known by their tokens. */
  readonly tls: TlsPaths | undefined;
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
    clusterSecret: await clusterSecret(settings),
    tls: await tlsPaths(settings, "runner"),
    identityTarget: formatTarget(settings.services["session-identity"].target),
    deliveryTarget: formatTarget(settings.services.delivery.target),
  };
}
