import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ApplyChannelAccountsRequestSchema } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import {
  ChannelKind,
  type InboundAccountSchema,
  SignatureEncoding,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import type { ApplyInboundAccountsRequestSchema } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { takesEvents, type WebhookEntry } from "./channels-schema.ts";
import { rateLimitRequest } from "./rate-limit-schema.ts";
import type { TenantConfig } from "./schema.ts";

type Inbound = MessageInitShape<typeof InboundAccountSchema>;

/** What delivery is told about a tenant: by which accounts replies go out. */
export function channelAccountsRequest({
  channels = {},
}: TenantConfig): MessageInitShape<typeof ApplyChannelAccountsRequestSchema> {
  const { slack = {}, telegram = {} } = channels;
  const accounts = [
    ...Object.entries(slack).map(([id, entry]) => ({ kind: RouteKind.SLACK, id, entry })),
    ...Object.entries(telegram).map(([id, entry]) => ({ kind: RouteKind.TELEGRAM, id, entry })),
  ];
  return {
    accounts: accounts.map(({ kind, id, entry }) => ({
      kind,
      accountId: id,
      tokenEnv: entry.token_env,
    })),
  };
}

/** What ingress is told about a tenant: by which accounts events come in. */
export function inboundAccountsRequest({
  channels = {},
}: TenantConfig): MessageInitShape<typeof ApplyInboundAccountsRequestSchema> {
  return {
    accounts: [...slackAccounts(channels), ...telegramAccounts(channels), ...webhooks(channels)],
  };
}

type Channels = NonNullable<TenantConfig["channels"]>;

function slackAccounts({ slack = {} }: Channels): Inbound[] {
  return Object.entries(slack)
    .filter(([, entry]) => takesEvents(entry))
    .map(([accountId, entry]) => ({
      kind: ChannelKind.SLACK,
      accountId,
      agentId: entry.agent ?? "",
      secretEnv: entry.signing_secret_env ?? "",
      tokenEnv: entry.token_env,
      ...limitOf(entry),
    }));
}

function telegramAccounts({ telegram = {} }: Channels): Inbound[] {
  return Object.entries(telegram)
    .filter(([, entry]) => takesEvents(entry))
    .map(([accountId, entry]) => ({
      kind: ChannelKind.TELEGRAM,
      accountId,
      agentId: entry.agent ?? "",
      secretEnv: entry.webhook_secret_env ?? "",
      tokenEnv: entry.token_env,
      polling: entry.polling ?? false,
      ...limitOf(entry),
    }));
}

function webhooks({ webhook = {} }: Channels): Inbound[] {
  return Object.entries(webhook).map(([accountId, entry]) => ({
    kind: ChannelKind.WEBHOOK,
    accountId,
    agentId: entry.agent ?? "",
    secretEnv: entry.secret_env,
    webhook: rulesOf(entry),
    ...limitOf(entry),
  }));
}

function limitOf({ rate_limit: limit }: Pick<WebhookEntry, "rate_limit">) {
  return limit === undefined ? {} : { rateLimit: rateLimitRequest(limit) };
}

function rulesOf({ channel = "", reply_url: replyUrl = "", hmac }: WebhookEntry) {
  if (hmac === undefined) return { channel, replyUrl };
  const { signature_header: signatureHeader, prefix = "", encoding, timestamp_header } = hmac;
  const isBase64 = encoding === "base64";
  const scheme = {
    signatureHeader,
    prefix,
    timestampHeader: timestamp_header ?? "",
    encoding: isBase64 ? SignatureEncoding.BASE64 : SignatureEncoding.HEX,
  };
  return { channel, replyUrl, hmac: scheme };
}
