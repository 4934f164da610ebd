import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  ChannelKind,
  InboundAccountSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { expect, test } from "vitest";
import { applyInboundAccounts } from "../rpc/inbound-accounts.ts";
import { MemoryAccounts } from "../testing/memory-stores.ts";

const { WEBHOOK, SLACK, TELEGRAM } = ChannelKind;
const HOOK = { kind: WEBHOOK, accountId: "helpdesk", secretEnv: "WEBHOOK_SECRET" };
const BOT = { kind: TELEGRAM, accountId: "bot", tokenEnv: "TELEGRAM_TOKEN", polling: true };

type Init = MessageInitShape<typeof InboundAccountSchema>;

function apply(...accounts: Init[]) {
  const store = new MemoryAccounts();
  const parsed = accounts.map((account) => create(InboundAccountSchema, account));
  const request = { accounts: parsed } as Parameters<ReturnType<typeof applyInboundAccounts>>[0];
  const call = {
    tenant: "acme",
    peer: { kind: "service", name: "cli" },
    scopes: [],
  } as unknown as Parameters<ReturnType<typeof applyInboundAccounts>>[1];
  return { store, applied: applyInboundAccounts(store)(request, call) };
}

test("accounts of all kinds are stored", async () => {
  const { store, applied } = apply(HOOK, BOT, {
    kind: SLACK,
    accountId: "T1",
    secretEnv: "SLACK_S",
  });
  await applied;
  expect(await store.list("acme")).toHaveLength(3);
});

test.each<[string, Init]>([
  ["kind", { ...HOOK, kind: ChannelKind.UNSPECIFIED }],
  ["kind", { ...HOOK, kind: 9 as never }],
  ["account_id", { ...HOOK, accountId: "" }],
  ["account_id", { ...HOOK, accountId: "a/b" }],
  ["account_id", { ...HOOK, accountId: "x".repeat(65) }],
  ["agent_id", { ...HOOK, agentId: "No Agent" }],
  ["secret_env", { ...HOOK, secretEnv: "" }],
  ["rate_limit.requests_per_minute", { ...HOOK, rateLimit: { requestsPerMinute: 0 } }],
  ["rate_limit.burst", { ...HOOK, rateLimit: { requestsPerMinute: 6, burst: 1_000_001 } }],
  ["rate_limit", { ...BOT, rateLimit: { requestsPerMinute: 6 } }],
  ["secret_env", { ...HOOK, secretEnv: "DATABASE_URL" }],
  ["secret_env", { ...HOOK, secretEnv: "LANEKEEPER_CLUSTER_SECRET" }],
  ["token_env", { ...BOT, tokenEnv: "" }],
  ["token_env", { ...BOT, tokenEnv: "OPENAI_API_KEY" }],
  ["polling", { ...HOOK, polling: true }],
  ["webhook", { ...BOT, webhook: {} }],
  ["webhook.channel", { ...HOOK, webhook: { channel: "Help Desk" } }],
  ["webhook.reply_url", { ...HOOK, webhook: { replyUrl: "ftp://example.org" } }],
  ["webhook.reply_url", { ...HOOK, webhook: { replyUrl: "https://example.org/\0" } }],
  ["webhook.hmac.signature_header", { ...HOOK, webhook: { hmac: {} } }],
  ["webhook.hmac.prefix", { ...HOOK, webhook: { hmac: { signatureHeader: "x", prefix: "ä" } } }],
  [
    "webhook.hmac.timestamp_header",
    { ...HOOK, webhook: { hmac: { signatureHeader: "x", timestampHeader: "X Time" } } },
  ],
])("%s is refused by its name, and nothing is stored", async (field, account) => {
  const { store, applied } = apply(BOT, account);
  await expect(applied).rejects.toMatchObject({
    reason: "INVALID_REQUEST",
    fieldViolations: [{ field: `accounts[1].${field}` }],
  });
  expect(store.accounts).toEqual([]);
});

test("one account named twice, and too many, are refused", async () => {
  await expect(apply(HOOK, HOOK).applied).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
  const many = Array.from({ length: 1_001 }, (_, index) => ({ ...HOOK, accountId: `a${index}` }));
  await expect(apply(...many).applied).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
});

test("a tenant's credential names no variable of another tenant; the operator's program may", async () => {
  const store = new MemoryAccounts();
  const apply = applyInboundAccounts(store);
  const request = { accounts: [create(InboundAccountSchema, BOT)] } as Parameters<typeof apply>[0];
  const from = (tenant: string, scopes: readonly string[]) =>
    ({ tenant, scopes, peer: { kind: "service", name: "ingress" } }) as unknown as Parameters<
      typeof apply
    >[1];
  await apply(request, from("first", ["admin"]));
  await apply(request, from("first", ["admin"]));
  const taken = apply(request, from("second", ["admin"]));
  await expect(taken).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  expect(await store.list("second")).toEqual([]);
  await apply(request, from("second", []));
  expect(await store.list("second")).toHaveLength(1);
});
