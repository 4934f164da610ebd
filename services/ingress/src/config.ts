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

/** The schema that holds ingress's tables; its role has the same name. */
export const SCHEMA = "lanekeeper_ingress";

const origins: Parser<readonly string[]> = {
  expected: 'a list of origins such as "https://app.example,http://localhost:3000", or "*"',
  parse(value) {
    const items = value.split(",").map((item) => item.trim());
    return items.every(isOrigin) ? items : undefined;
  },
};

const variables = {
  corsOrigins: withDefault(
    "LANEKEEPER_CORS_ORIGINS",
    origins,
    [] as readonly string[],
    "web pages that may call from a browser",
  ),
};

/** What ingress reads besides the settings that all services share. */
export interface IngressConfig {
  readonly corsOrigins: readonly string[];
}

/** @throws EnvError */
export function readIngressConfig(env: Env): IngressConfig {
  return readVariables(variables, env);
}

/**
 * What ingress shows to the other services.
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

/** An origin has no path, so a slash at its end is a slip that would match no page. */
function isOrigin(text: string): boolean {
  return text === "*" || (URL.canParse(text) && new URL(text).origin === text);
}
