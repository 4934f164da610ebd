import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  ListApiKeysRequest,
  ListApiKeysResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import type { CallContext } from "@lanekeeper/rpc";
import type { ApiKeyStore } from "../../keys/api-key.ts";
import { pageToken, parsePageSize, parsePageToken } from "../page-token.ts";
import { storeReached } from "../store-reached.ts";
import { managerOf } from "./require-own.ts";
import { keyMessage } from "./show-key.ts";

/** Lists the keys that the caller may manage, the oldest first. */
export function listApiKeys(store: Pick<ApiKeyStore, "list">) {
  return async (
    request: ListApiKeysRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof ListApiKeysResponseSchema>> => {
    const size = parsePageSize(request.pageSize);
    const afterNumber = parsePageToken(request.pageToken) ?? 0n;
    const page = { includeEnded: request.includeEnded, afterNumber, limit: size + 1 };
    const found = await storeReached("the keys", store.list(managerOf(call), page));
    const shown = found.slice(0, size);
    const last = shown.at(-1);
    const isMore = found.length > size && last !== undefined;
    return {
      apiKeys: shown.map(keyMessage),
      nextPageToken: isMore ? pageToken(last.keyNumber) : "",
    };
  };
}
