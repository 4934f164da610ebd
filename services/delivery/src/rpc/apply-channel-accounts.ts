import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  ApplyChannelAccountsRequest,
  ApplyChannelAccountsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { type ChannelAccount, RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { isTokenVariable } from "../domain/token-variable.ts";
import type { Limits } from "../limits.ts";
import { type AccountRow, applyAccounts } from "../store/channel-accounts.ts";
import { parseText } from "./fields.ts";

/** Puts these accounts in the place of all that the tenant had. */
export async function applyChannelAccounts(
  { db, limits }: DeliveryContext,
  { accounts }: ApplyChannelAccountsRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof ApplyChannelAccountsResponseSchema>> {
  if (accounts.length > limits.accountsPerTenant) {
    throw invalid("accounts", `must be at most ${limits.accountsPerTenant}`);
  }
  const parsed = accounts.map((account, index) => parse(`accounts[${index}]`, account, limits));
  const names = new Set(parsed.map(({ kind, accountId }) => `${kind} ${accountId}`));
  if (names.size < parsed.length) throw invalid("accounts", "name one account twice");
  await applyAccounts(db, call.tenant, parsed);
  return {};
}

function parse(field: string, account: ChannelAccount, limits: Limits): AccountRow {
  const { kind, tokenEnv } = account;
  if (kind !== RouteKind.SLACK && kind !== RouteKind.TELEGRAM) {
    throw invalid(`${field}.kind`, "must be ROUTE_KIND_SLACK or ROUTE_KIND_TELEGRAM");
  }
  const accountId = parseText(`${field}.account_id`, account.accountId, limits.accountIdBytes);
  if (accountId === "") throw invalid(`${field}.account_id`, "is required");
  if (!isTokenVariable(tokenEnv, limits.tokenEnvChars)) {
    const wanted = "must name an environment variable with SLACK or TELEGRAM in its name";
    throw invalid(`${field}.token_env`, `${wanted}, such as SLACK_BOT_TOKEN_T0123`);
  }
  return { kind, accountId, tokenEnv };
}
