import type { ApiKeyService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import type { Routes } from "@lanekeeper/rpc";
import type { ApiKeyStore, OnKeyChanged } from "../../keys/api-key.ts";
import { authorized } from "../authorized.ts";
import { createApiKey } from "./create-api-key.ts";
import { listApiKeys } from "./list-api-keys.ts";
import { revokeApiKey } from "./revoke-api-key.ts";
import { rotateApiKey } from "./rotate-api-key.ts";

/** The management of keys, the same over gRPC and Connect. */
export function apiKeyRoutes(
  store: ApiKeyStore,
  onChanged: OnKeyChanged,
): Routes<typeof ApiKeyService> {
  return authorized({
    createApiKey: createApiKey(store, onChanged),
    listApiKeys: listApiKeys(store),
    rotateApiKey: rotateApiKey(store, onChanged),
    revokeApiKey: revokeApiKey(store, onChanged),
  });
}
