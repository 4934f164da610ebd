import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  ApplyChannelAccountsRequest,
  ApplyChannelAccountsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { type ChannelAccount, RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { type CallContext, invalid, isOutside, permissionDenied } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { isTokenVariable } from "../domain/token-variable.ts";
import type { Limits } from "../limits.ts";
import { type AccountRow, applyAccounts, namedByOthers } from "../store/channel-accounts.ts";
import type { Sql } from "../store/sql.ts";
import { parseText } from "./fields.ts";

/**
 * Puts these accounts in the place of all that the tenant had.
 * @throws INVALID_REQUEST, PERMISSION_DENIED for another tenant's variable
 */
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
  // The operator's own program may give one token to several tenants.
  if (isOutside(call)) await requireOwnVariables(db, call.tenant, parsed);
  await applyAccounts(db, call.tenant, parsed);
  return {};
}

/** Whoever names a bot's token sends as that bot: a tenant's credential may not name another tenant's. */
async function requireOwnVariables(
  db: Sql,
  tenant: string,
  accounts: readonly AccountRow[],
): Promise<void> {
  const variables = accounts.map(({ tokenEnv }) => tokenEnv);
  const taken = await namedByOthers(db, tenant, variables);
  if (taken === undefined) return;
  throw permissionDenied(`the variable ${taken} is not the tenant's to name`, { variable: taken });
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
