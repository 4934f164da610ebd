import {
  clusterSecret,
  type ListenAddress,
  type Secret,
  type Settings,
  type TlsPaths,
  tlsPaths,
} from "@lanekeeper/service";

/** What this service takes from the environment. */
export interface IdentityConfig {
  readonly grpc: ListenAddress;
  readonly databaseUrl: Secret;
  readonly clusterSecret: Secret;
  /** Undefined: plain, and services known by their tokens. */
  readonly tls: TlsPaths | undefined;
}

/** @throws with a sentence that names the variable to set */
export async function readConfig(settings: Settings): Promise<IdentityConfig> {
  const { grpc, databaseUrl } = settings.services["session-identity"];
  if (databaseUrl === undefined) {
    throw new Error(
      "set LANEKEEPER_IDENTITY_DATABASE_URL or DATABASE_URL, or use `lanekeeper start`",
    );
  }
  const tls = await tlsPaths(settings, "session-identity");
  return { grpc, databaseUrl, clusterSecret: await clusterSecret(settings), tls };
}
