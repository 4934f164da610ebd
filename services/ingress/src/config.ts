import { type Env, type Parser, readVariables, withDefault } from "@lanekeeper/service";

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

/** An origin has no path, so a slash at its end is a slip that would match no page. */
function isOrigin(text: string): boolean {
  return text === "*" || (URL.canParse(text) && new URL(text).origin === text);
}
