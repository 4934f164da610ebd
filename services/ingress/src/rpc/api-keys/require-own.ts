import {
  type CallContext,
  invalid,
  type LanekeeperError,
  notFound,
  permissionDenied,
} from "@lanekeeper/rpc";
import { BOOTSTRAP_ID } from "../../credentials/bootstrap.ts";
import { isKeyId } from "../../credentials/key-text.ts";
import type { KeyManager, NewApiKey } from "../../keys/api-key.ts";

/** Who manages keys by this call: the operator's program acts for its tenant, bound by nothing. */
export function managerOf({ tenant, principal, agents, keyPrefixes }: CallContext): KeyManager {
  return { tenant, principal, agents, keyPrefixes };
}

/**
 * A key is given no more than its maker may reach. Which scopes it has is the maker's choice: who holds
 * `admin` may hand out all four, within the bounds. @throws PERMISSION_DENIED
 */
export function requireCovered(
  { agents, keyPrefixes }: Pick<NewApiKey, "agents" | "keyPrefixes">,
  manager: KeyManager,
): void {
  const isAgentsCovered =
    manager.agents.length === 0 ||
    (agents.length > 0 && agents.every((agentId) => manager.agents.includes(agentId)));
  if (!isAgentsCovered) {
    const message = "agent_ids: name only agents that your own key is bound to";
    throw permissionDenied(message, { bound_by: "agent_ids" });
  }
  const within = (prefix: string) => manager.keyPrefixes.some((own) => prefix.startsWith(own));
  const isKeysCovered =
    manager.keyPrefixes.length === 0 || (keyPrefixes.length > 0 && keyPrefixes.every(within));
  if (isKeysCovered) return;
  throw permissionDenied(
    "session_key_prefixes: name only beginnings within those that your own key is bound to",
    { bound_by: "session_key_prefixes" },
  );
}

/** @throws INVALID_REQUEST, NOT_FOUND for what can be the id of no key */
export function requireManaged(apiKeyId: string): string {
  if (apiKeyId === "") throw invalid("api_key_id", "is required");
  if (apiKeyId === BOOTSTRAP_ID) {
    const message = "is the first credential: change LANEKEEPER_API_KEY or <data dir>/api-key";
    throw invalid("api_key_id", message);
  }
  if (!isKeyId(apiKeyId)) throw unknownKey(apiKeyId);
  return apiKeyId;
}

export function unknownKey(apiKeyId: string): LanekeeperError {
  return notFound("API key", apiKeyId.slice(0, 128));
}
