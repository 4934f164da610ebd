import { type Caller, invalid } from "@lanekeeper/rpc";
import type { JsonObject } from "../http/json-body.ts";
import type { SingleHeaders } from "../http/single-headers.ts";
import type { SettingsDirectory } from "../settings/directory.ts";
import type { SessionSourceName, TenantSettings } from "../settings/tenant-settings.ts";
import { fieldOf, isAbsent, requireText } from "./field.ts";
import { namedSession, wellFormed } from "./session-key.ts";

type Settings = Pick<SettingsDirectory, "get">;

/**
 * The raw key of a request's session, in one order: what names it (headers, `conversation`,
 * `metadata.session_key`; session-key.ts), which must agree; else the session of its
 * `previous_response_id`, which is found later; else the first of what the tenant has mapped.
 * Undefined: none of these, the request is stateless or goes on from another.
 * @throws INVALID_REQUEST, MALFORMED_KEY, STORE_UNAVAILABLE
 */
export async function selectSession(
  settings: Settings,
  caller: Caller,
  headers: SingleHeaders,
  body: JsonObject,
): Promise<string | undefined> {
  const named = namedSession(headers, body);
  if (named !== undefined) return named;
  if (!isAbsent(fieldOf(body, "previous_response_id"))) return undefined;
  const tenant = await settings.get(caller.tenant);
  const mapped = mappedSession(tenant, headers, body);
  if (mapped === undefined) refuseIfRequired(tenant);
  return mapped;
}

/** @throws INVALID_REQUEST where the tenant takes no request without a session. */
export async function requireSession(settings: Settings, caller: Caller): Promise<void> {
  refuseIfRequired(await settings.get(caller.tenant));
}

function refuseIfRequired({ requiresSession }: TenantSettings): void {
  if (!requiresSession) return;
  throw invalid("x-session-key", "is missing: this tenant takes no request without a session");
}

function mappedSession(
  { sessionSources }: TenantSettings,
  headers: SingleHeaders,
  body: JsonObject,
): string | undefined {
  for (const source of sessionSources) {
    const value = valueOf(source, headers, body);
    if (value !== undefined && value !== "") return wellFormed(source, value);
  }
  return undefined;
}

function valueOf(
  source: SessionSourceName,
  headers: SingleHeaders,
  body: JsonObject,
): string | undefined {
  switch (source) {
    case "x-openwebui-chat-id":
    case "x-conversation-id":
      return headers.ascii(source);
    case "prompt_cache_key":
    case "user": {
      const field = fieldOf(body, source);
      return isAbsent(field) ? undefined : requireText(field);
    }
  }
}
