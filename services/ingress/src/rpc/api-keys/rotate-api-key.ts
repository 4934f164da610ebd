import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  RotateApiKeyRequest,
  RotateApiKeyResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import { hashKey } from "../../credentials/credential.ts";
import { newKeyText } from "../../credentials/key-text.ts";
import type { ApiKeyStore, OnKeyChanged } from "../../keys/api-key.ts";
import { storeReached } from "../store-reached.ts";
import { parseOverlap, parseRequestId } from "./parse-key.ts";
import { managerOf, requireManaged, unknownKey } from "./require-own.ts";
import { keyMessage } from "./show-key.ts";

/** Gives a key another text; both are valid until the overlap is over. */
export function rotateApiKey(store: Pick<ApiKeyStore, "rotate">, onChanged: OnKeyChanged) {
  return async (
    request: RotateApiKeyRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof RotateApiKeyResponseSchema>> => {
    const requestId = parseRequestId(request.requestId);
    const overlapMs = parseOverlap(request.overlap);
    const apiKeyId = requireManaged(request.apiKeyId);
    const keyText = newKeyText(apiKeyId);
    const rotation = { apiKeyId, keyHash: hashKey(keyText), overlapMs, requestId };
    const manager = managerOf(call);
    const rotated = await storeReached("the keys", store.rotate(manager, rotation));
    switch (rotated.kind) {
      case "rotated":
        onChanged("rotated", apiKeyId, manager, call);
        return { apiKey: keyMessage(rotated.apiKey), keyText };
      case "repeat":
        return { apiKey: keyMessage(rotated.apiKey) };
      case "ended":
        throw invalid("api_key_id", "has ended; make another key");
      case "none":
        throw unknownKey(apiKeyId);
    }
  };
}
