import {
  ChannelKind,
  type HmacScheme,
  type InboundAccount,
  type WebhookRules,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { invalid } from "@lanekeeper/rpc";
import { parseRateLimit } from "../rpc/rate-limit.ts";
import { isAccountId, isChannelVariable } from "./account.ts";

const KINDS: ReadonlySet<number> = new Set([
  ChannelKind.WEBHOOK,
  ChannelKind.SLACK,
  ChannelKind.TELEGRAM,
]);

const MAX_URL_BYTES = 2_048;

/** @throws INVALID_REQUEST naming the field */
export function parseAccount(field: string, account: InboundAccount): InboundAccount {
  const { kind, accountId, agentId, webhook } = account;
  if (!KINDS.has(kind)) {
    throw invalid(`${field}.kind`, "must be WEBHOOK, SLACK or TELEGRAM");
  }
  if (!isAccountId(accountId)) {
    throw invalid(`${field}.account_id`, 'must be 1 to 64 letters, digits, "_", "-", "."');
  }
  if (agentId !== "" && !/^[a-z0-9][a-z0-9_-]{0,63}$/.test(agentId)) {
    throw invalid(`${field}.agent_id`, "is no agent's id");
  }
  parseVariables(field, account);
  parseRateLimit(`${field}.rate_limit`, account.rateLimit);
  if (account.rateLimit !== undefined && account.polling) {
    throw invalid(`${field}.rate_limit`, "is for accounts whose events are posted");
  }
  if (webhook !== undefined) parseWebhook(`${field}.webhook`, kind, webhook);
  return account;
}

function parseVariables(
  field: string,
  { kind, secretEnv, tokenEnv, polling }: InboundAccount,
): void {
  const isTelegram = kind === ChannelKind.TELEGRAM;
  if (polling && !isTelegram) throw invalid(`${field}.polling`, "is for TELEGRAM alone");
  if (!polling || secretEnv !== "") parseVariable(`${field}.secret_env`, secretEnv);
  if (polling || tokenEnv !== "") parseVariable(`${field}.token_env`, tokenEnv);
}

function parseVariable(field: string, name: string): void {
  if (isChannelVariable(name)) return;
  const wanted = "must name an environment variable with SLACK, TELEGRAM or WEBHOOK in its name";
  throw invalid(field, `${wanted}, such as SLACK_SIGNING_SECRET`);
}

function parseWebhook(field: string, kind: ChannelKind, rules: WebhookRules): void {
  if (kind !== ChannelKind.WEBHOOK) throw invalid(field, "is for WEBHOOK alone");
  const { channel, replyUrl, hmac } = rules;
  if (channel !== "" && !/^[a-z][a-z0-9_-]{0,31}$/.test(channel)) {
    throw invalid(`${field}.channel`, "must match [a-z][a-z0-9_-]{0,31}");
  }
  if (replyUrl !== "" && !isWebAddress(replyUrl)) {
    throw invalid(
      `${field}.reply_url`,
      `must be an http or https URL of at most ${MAX_URL_BYTES} bytes`,
    );
  }
  if (hmac !== undefined) parseHmac(`${field}.hmac`, hmac);
}

function isWebAddress(text: string): boolean {
  const isText = Buffer.byteLength(text) <= MAX_URL_BYTES && !/\p{Cc}/u.test(text);
  if (!isText || !URL.canParse(text)) return false;
  return /^https?:$/.test(new URL(text).protocol);
}

function parseHmac(field: string, { signatureHeader, prefix, timestampHeader }: HmacScheme): void {
  const isHeader = (name: string): boolean => /^[a-z0-9][a-z0-9-]{0,63}$/.test(name);
  const wanted = "must be a header's name in lower case";
  if (!isHeader(signatureHeader)) throw invalid(`${field}.signature_header`, wanted);
  if (timestampHeader !== "" && !isHeader(timestampHeader)) {
    throw invalid(`${field}.timestamp_header`, wanted);
  }
  if (!/^[!-~]{0,32}$/.test(prefix)) {
    throw invalid(`${field}.prefix`, "must be at most 32 visible ASCII characters");
  }
}
