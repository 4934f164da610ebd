import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { ChannelKind, SignatureEncoding } from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { expect, test } from "vitest";
import { channelAccountsRequest, inboundAccountsRequest } from "./channels-to-requests.ts";
import { parseConfig } from "./load.ts";

function tenant(channels: string) {
  const text = `
tenants:
  default:
    agents: { main: { model: scripted } }
    channels:
${channels.replaceAll(/^/gm, "      ")}
`;
  return parseConfig(text, "c.yaml").tenants["default"] ?? { agents: {} };
}

test("replies go out by every account; events come in where there is something to verify them by", () => {
  const parsed = tenant(`slack:
  T1:
    token_env: SLACK_TOKEN
    signing_secret_env: SLACK_SECRET
    agent: main
    rate_limit: { requests_per_minute: 600, burst: 60 }
  T2: { token_env: SLACK_TOKEN }
telegram:
  posted_bot: { token_env: TELEGRAM_TOKEN, webhook_secret_env: TELEGRAM_SECRET }
  polled_bot: { token_env: TELEGRAM_TOKEN, polling: true }
webhook:
  crm: { secret_env: WEBHOOK_CRM, channel: crm, reply_url: https://crm.example/replies }
  hub:
    secret_env: WEBHOOK_HUB
    hmac: { signature_header: x-sig, prefix: "v1=", encoding: base64, timestamp_header: x-time }`);
  const { accounts: outbound = [] } = channelAccountsRequest(parsed);
  expect(outbound.map(({ kind, accountId }) => [kind, accountId])).toEqual([
    [RouteKind.SLACK, "T1"],
    [RouteKind.SLACK, "T2"],
    [RouteKind.TELEGRAM, "posted_bot"],
    [RouteKind.TELEGRAM, "polled_bot"],
  ]);
  const { SLACK, TELEGRAM, WEBHOOK } = ChannelKind;
  const rateLimit = { requestsPerMinute: 600, burst: 60 };
  expect(inboundAccountsRequest(parsed).accounts).toMatchObject([
    { kind: SLACK, accountId: "T1", agentId: "main", secretEnv: "SLACK_SECRET", rateLimit },
    { kind: TELEGRAM, accountId: "posted_bot", secretEnv: "TELEGRAM_SECRET", polling: false },
    { kind: TELEGRAM, accountId: "polled_bot", tokenEnv: "TELEGRAM_TOKEN", polling: true },
    { kind: WEBHOOK, webhook: { channel: "crm", replyUrl: "https://crm.example/replies" } },
    {
      ...{ kind: WEBHOOK, secretEnv: "WEBHOOK_HUB" },
      webhook: {
        hmac: {
          ...{ signatureHeader: "x-sig", prefix: "v1=", timestampHeader: "x-time" },
          encoding: SignatureEncoding.BASE64,
        },
      },
    },
  ]);
});

test.each([
  [
    "telegram: { b: { token_env: TELEGRAM_T, webhook_secret_env: TELEGRAM_S, polling: true } }",
    "not both",
  ],
  [
    "telegram: { b: { token_env: TELEGRAM_T, polling: true, rate_limit: { requests_per_minute: 6 } } }",
    "no rate_limit with polling",
  ],
  ["slack: { T1: { token_env: SLACK_T, signing_secret_env: DATABASE_URL } }", "SLACK in it"],
  ["webhook: { crm: { secret_env: CRM_SECRET } }", "WEBHOOK in it"],
  ["webhook: { 'a/b': { secret_env: WEBHOOK_S } }", "stands in a path"],
  ["webhook: { crm: { secret_env: WEBHOOK_S, reply_url: 'ftp://x' } }", "http://"],
  ["webhook: { crm: { secret_env: WEBHOOK_S, hmac: { signature_header: X-Sig } } }", "lower case"],
  ["webhook: { crm: { secret_env: WEBHOOK_S, hmac: {} } }", "signature_header"],
  ["webhook: { crm: {} }", "secret_env"],
  ["fax: { a: {} }", "no such field"],
])("%s is refused with its line", (channels, told) => {
  expect(() => tenant(channels)).toThrow(told);
  expect(() => tenant(channels)).toThrow("c.yaml:6: tenants.default.channels");
});
