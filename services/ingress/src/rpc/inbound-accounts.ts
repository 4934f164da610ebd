import type { MessageInitShape } from "@bufbuild/protobuf";
import { isUnavailable } from "@lanekeeper/postgres";
import type {
  ApplyInboundAccountsRequest,
  ApplyInboundAccountsResponseSchema,
  ListInboundAccountsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import type { InboundAccount } from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import {
  type CallContext,
  invalid,
  isOutside,
  permissionDenied,
  storeUnavailable,
} from "@lanekeeper/rpc";
import type { AccountStore } from "../channels/account-store.ts";
import { parseAccount } from "../channels/parse-account.ts";

/** Each is a row that is read at its first event, and a loop where it is polled. */
const MAX_ACCOUNTS = 1_000;

/**
 * Sets whose events are taken for the tenant.
 * @throws INVALID_REQUEST, STORE_UNAVAILABLE, PERMISSION_DENIED for another tenant's variable
 */
export function applyInboundAccounts(store: Pick<AccountStore, "apply" | "namedByOthers">) {
  return async (
    { accounts }: ApplyInboundAccountsRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof ApplyInboundAccountsResponseSchema>> => {
    if (accounts.length > MAX_ACCOUNTS)
      throw invalid("accounts", `must be at most ${MAX_ACCOUNTS}`);
    const parsed = accounts.map((account, index) => parseAccount(`accounts[${index}]`, account));
    const names = new Set(parsed.map(({ kind, accountId }) => `${kind} ${accountId}`));
    if (names.size < parsed.length) throw invalid("accounts", "name one account twice");
    // The operator's own program may give one secret to several tenants.
    if (isOutside(call)) await requireOwnVariables(store, call.tenant, parsed);
    await reached(store.apply(call.tenant, parsed));
    return {};
  };
}

/**
 * Whoever names a bot's token is given what people write to it: a tenant's credential may not name one
 * of another tenant's.
 */
async function requireOwnVariables(
  store: Pick<AccountStore, "namedByOthers">,
  tenant: string,
  accounts: readonly InboundAccount[],
): Promise<void> {
  const named = accounts.flatMap(({ secretEnv, tokenEnv }) => [secretEnv, tokenEnv]);
  const variables = named.filter((name) => name !== "");
  const [taken] = await reached(store.namedByOthers(tenant, variables));
  if (taken === undefined) return;
  throw permissionDenied(`the variable ${taken} is not the tenant's to name`, { variable: taken });
}

/** Tells whose events are taken for the tenant. @throws STORE_UNAVAILABLE */
export function listInboundAccounts(store: Pick<AccountStore, "list">) {
  return async (
    _request: unknown,
    call: CallContext,
  ): Promise<MessageInitShape<typeof ListInboundAccountsResponseSchema>> => ({
    accounts: await reached(store.list(call.tenant)),
  });
}

async function reached<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    throw storeUnavailable("the channel's accounts cannot be reached now; ask again", error);
  }
}
