import { apiUrl, type Env, type Parser, readVariables, withDefault } from "@lanekeeper/service";

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
  slackUrl: withDefault<URL>(
    "LANEKEEPER_SLACK_API_URL",
    apiUrl,
    new URL("https://slack.com/api/"),
    "where Slack's Web API is",
  ),
  telegramUrl: withDefault<URL>(
    "LANEKEEPER_TELEGRAM_API_URL",
    apiUrl,
    new URL("https://api.telegram.org/"),
    "where Telegram's Bot API is",
  ),
};

/** What ingress reads besides the settings that all services share. */
export interface IngressConfig {
  readonly corsOrigins: readonly string[];
  /** LANEKEEPER_SLACK_API_URL: files of events are fetched from Slack's hosts, or from here. */
  readonly slackUrl: URL;
  /** LANEKEEPER_TELEGRAM_API_URL: where updates are asked for and files fetched. */
  readonly telegramUrl: URL;
}

/** @throws EnvError */
export function readIngressConfig(env: Env): IngressConfig {
  return readVariables(variables, env);
}

/** An origin has no path, so a slash at its end is a slip that would match no page. */
function isOrigin(text: string): boolean {
  return text === "*" || (URL.canParse(text) && new URL(text).origin === text);
}
