import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  ListChannelAccountsRequest,
  ListChannelAccountsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import type { CallContext } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { listAccounts } from "../store/channel-accounts.ts";

/** The tenant's channel accounts, by the names of the variables that hold their tokens. */
export async function listChannelAccounts(
  { db }: DeliveryContext,
  _request: ListChannelAccountsRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof ListChannelAccountsResponseSchema>> {
  return { accounts: await listAccounts(db, call.tenant) };
}
