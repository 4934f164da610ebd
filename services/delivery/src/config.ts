import {
  apiUrl,
  type Env,
  integer,
  type Parser,
  readVariables,
  withDefault,
} from "@lanekeeper/service";
import { LIMITS } from "./limits.ts";
import { type AllowedNetworks, type Network, parseNetwork } from "@lanekeeper/addresses";

/** The schema that holds delivery's tables; its role has the same name. */
export const SCHEMA = "lanekeeper_delivery";

/** What delivery reads of the environment beside what all services read. */
export interface DeliveryConfig {
  /** LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: networks that webhooks may reach although they are not public. */
  readonly allowedNetworks: AllowedNetworks;
  /**
   * LANEKEEPER_DELIVERY_LEASE_MS: how long a replica holds a reply that it sends, the same for all
   * replicas. After its death the reply waits so long; a receiver has a third of it to answer.
   */
  readonly claimLeaseMs: number;
  /** LANEKEEPER_SLACK_API_URL: where Slack's Web API is. */
  readonly slackUrl: URL;
  /** LANEKEEPER_TELEGRAM_API_URL: where Telegram's Bot API is, such as a server of one's own. */
  readonly telegramUrl: URL;
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
  claimLeaseMs: withDefault(
    "LANEKEEPER_DELIVERY_LEASE_MS",
    integer({ min: 3_000, max: 600_000 }),
    LIMITS.leaseMs,
    "how long a replica of delivery holds a reply that it sends",
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

/** @throws EnvError */
export function readDeliveryConfig(env: Env): DeliveryConfig {
  return readVariables(variables, env);
}
