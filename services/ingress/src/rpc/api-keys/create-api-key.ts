import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  CreateApiKeyRequest,
  CreateApiKeyResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { type CallContext, LanekeeperError, later } from "@lanekeeper/rpc";
import { hashKey } from "../../credentials/credential.ts";
import { newKeyId, newKeyText } from "../../credentials/key-text.ts";
import type { ApiKeyStore, OnKeyChanged } from "../../keys/api-key.ts";
import { storeReached } from "../store-reached.ts";
import { parseNewKey } from "./parse-key.ts";
import { managerOf, requireCovered } from "./require-own.ts";
import { keyMessage } from "./show-key.ts";

/** Somebody has to revoke keys first. */
const QUOTA_RETRY_MS = 60_000;

/** Makes a key; its text is in this answer alone. */
export function createApiKey(store: Pick<ApiKeyStore, "create">, onChanged: OnKeyChanged) {
  return async (
    request: CreateApiKeyRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof CreateApiKeyResponseSchema>> => {
    const parsed = parseNewKey(request);
    const manager = managerOf(call);
    requireCovered(parsed, manager);
    const apiKeyId = newKeyId();
    const keyText = newKeyText(apiKeyId);
    const key = { ...parsed, apiKeyId, keyHash: hashKey(keyText) };
    const created = await storeReached("the keys", store.create(manager, key));
    switch (created.kind) {
      case "made":
        onChanged("made", apiKeyId, manager, call);
        return { apiKey: keyMessage(created.apiKey), keyText };
      case "repeat":
        return { apiKey: keyMessage(created.apiKey) };
      case "mismatch":
        throw new LanekeeperError("IDEMPOTENCY_MISMATCH", "the request id made another key");
      case "quota":
        throw full(created.limit);
    }
  };
}

function full(max: number): LanekeeperError {
  const limit = String(max);
  const message = `the tenant has ${limit} keys, as many as it may; revoke some`;
  return later("QUOTA", message, QUOTA_RETRY_MS, { metadata: { limit } });
}
