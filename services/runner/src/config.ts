import { fileURLToPath } from "node:url";
import {
  clusterSecret,
  type Env,
  formatTarget,
  integer,
  type ListenAddress,
  optional,
  readVariables,
  type Secret,
  type Settings,
  type TlsPaths,
  tlsPaths,
} from "@lanekeeper/service";
import { LIMITS } from "./limits.ts";

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
  /**
   * LANEKEEPER_KEEP_CONVERSATIONS_DAYS: how long conversations are kept that are over, in ms; undefined:
   * for ever.
   */
  readonly keepConversationsMs: number | undefined;
}

const variables = {
  keepDays: optional(
    "LANEKEEPER_KEEP_CONVERSATIONS_DAYS",
    integer({ min: LIMITS.minKeepConversationsDays, max: LIMITS.maxKeepConversationsDays }),
    "how long conversations are kept that are over",
  ),
};

/** @throws with a sentence that names the variable to set */
export async function readConfig(settings: Settings, env: Env): Promise<RunnerConfig> {
  const { keepDays } = readVariables(variables, env);
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
    keepConversationsMs: keepDays === undefined ? undefined : keepDays * 86_400_000,
  };
}
