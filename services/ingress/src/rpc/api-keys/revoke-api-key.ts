import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  RevokeApiKeyRequest,
  RevokeApiKeyResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import type { CallContext } from "@lanekeeper/rpc";
import type { ApiKeyStore, OnKeyChanged } from "../../keys/api-key.ts";
import { storeReached } from "../store-reached.ts";
import { managerOf, requireManaged, unknownKey } from "./require-own.ts";
import { keyMessage } from "./show-key.ts";

/** Ends a key for good. */
export function revokeApiKey(store: Pick<ApiKeyStore, "revoke">, onChanged: OnKeyChanged) {
  return async (
    request: RevokeApiKeyRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof RevokeApiKeyResponseSchema>> => {
    const apiKeyId = requireManaged(request.apiKeyId);
    const manager = managerOf(call);
    const revoked = await storeReached("the keys", store.revoke(manager, apiKeyId));
    if (revoked === undefined) throw unknownKey(apiKeyId);
    onChanged("revoked", apiKeyId, manager, call);
    return { apiKey: keyMessage(revoked) };
  };
}
