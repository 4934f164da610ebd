import type { MessageInitShape } from "@bufbuild/protobuf";
import { isUnavailable } from "@lanekeeper/postgres";
import type {
  ApplyInboundAccountsRequest,
  ApplyInboundAccountsResponseSchema,
  ListInboundAccountsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { type CallContext, invalid, storeUnavailable } from "@lanekeeper/rpc";
import type { AccountStore } from "../channels/account-store.ts";
import { parseAccount } from "../channels/parse-account.ts";

/** Each is a row that is read at its first event, and a loop where it is polled. */
const MAX_ACCOUNTS = 1_000;

/** Sets whose events are taken for the tenant. @throws INVALID_REQUEST, STORE_UNAVAILABLE */
export function applyInboundAccounts(store: Pick<AccountStore, "apply">) {
  return async (
    { accounts }: ApplyInboundAccountsRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof ApplyInboundAccountsResponseSchema>> => {
    if (accounts.length > MAX_ACCOUNTS)
      throw invalid("accounts", `must be at most ${MAX_ACCOUNTS}`);
    const parsed = accounts.map((account, index) => parseAccount(`accounts[${index}]`, account));
    const names = new Set(parsed.map(({ kind, accountId }) => `${kind} ${accountId}`));
    if (names.size < parsed.length) throw invalid("accounts", "name one account twice");
    await reached(store.apply(call.tenant, parsed));
    return {};
  };
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
