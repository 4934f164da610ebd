import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Env,
  type Parser,
  readVariables,
  Secret,
  type Settings,
  withDefault,
} from "@lanekeeper/service";
import { type AllowedNetworks, type Network, parseNetwork } from "./domain/ip-rules.ts";

/** The schema that holds delivery's tables; its role has the same name. */
export const SCHEMA = "lanekeeper_delivery";

/** What delivery reads of the environment beside what all services read. */
export interface DeliveryConfig {
  /** LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: networks that webhooks may reach although they are not public. */
  readonly allowedNetworks: AllowedNetworks;
}

const networks: Parser<AllowedNetworks> = {
  expected: 'a list of networks such as "127.0.0.0/8,10.1.0.0/16,fd00::/8"',
  parse(text) {
    const parsed = text.split(",").map((item) => parseNetwork(item.trim()));
    return parsed.every((network): network is Network => network !== undefined)
      ? parsed
      : undefined;
  },
};

const variables = {
  allowedNetworks: withDefault<AllowedNetworks>(
    "LANEKEEPER_WEBHOOK_ALLOW_PRIVATE",
    networks,
    [],
    "networks that webhooks may reach although they are not public",
  ),
};

/** @throws EnvError */
export function readDeliveryConfig(env: Env): DeliveryConfig {
  return readVariables(variables, env);
}

/**
 * What delivery shows to the other services.
 * @throws Error with a sentence that says what to do
 */
export async function clusterSecret(
  settings: Pick<Settings, "clusterSecret" | "dataDir">,
): Promise<Secret> {
  if (settings.clusterSecret !== undefined) return settings.clusterSecret;
  const path = join(settings.dataDir, "cluster-secret");
  try {
    return new Secret((await readFile(path, "utf8")).trim());
  } catch (cause) {
    const message = `no cluster secret: set LANEKEEPER_CLUSTER_SECRET, or put one into ${path}`;
    throw new Error(message, { cause });
  }
}
