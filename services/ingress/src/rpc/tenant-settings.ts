import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type ApplyTenantSettingsRequest,
  type ApplyTenantSettingsResponseSchema,
  type GetTenantSettingsResponseSchema,
  SessionSource,
  type TenantSettingsSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import type { SettingsStore } from "../settings/store.ts";
import {
  inOrder,
  type SessionSourceName,
  type TenantSettings,
} from "../settings/tenant-settings.ts";
import { parseRateLimit, rateLimitMessage } from "./rate-limit.ts";
import { storeReached } from "./store-reached.ts";

const NAMES: ReadonlyMap<SessionSource, SessionSourceName> = new Map([
  [SessionSource.OPENWEBUI_CHAT_ID, "x-openwebui-chat-id"],
  [SessionSource.CONVERSATION_ID, "x-conversation-id"],
  [SessionSource.PROMPT_CACHE_KEY, "prompt_cache_key"],
  [SessionSource.USER, "user"],
]);

/** Sets how the tenant's requests are taken. @throws INVALID_REQUEST, STORE_UNAVAILABLE */
export function applyTenantSettings(store: Pick<SettingsStore, "write">) {
  return async (
    request: ApplyTenantSettingsRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof ApplyTenantSettingsResponseSchema>> => {
    const settings = parseSettings(request);
    return {
      version: await storeReached("the tenant's settings", store.write(call.tenant, settings)),
    };
  };
}

/** Tells how the tenant's requests are taken. @throws STORE_UNAVAILABLE */
export function getTenantSettings(store: Pick<SettingsStore, "read">) {
  return async (
    _request: unknown,
    call: CallContext,
  ): Promise<MessageInitShape<typeof GetTenantSettingsResponseSchema>> => {
    const found = await storeReached("the tenant's settings", store.read(call.tenant));
    const { version, applyTime } = found;
    const settings = settingsMessage(found);
    if (applyTime === undefined) return { settings, version };
    return { settings, version, applyTime: timestampFromDate(applyTime) };
  };
}

function parseSettings({ settings }: ApplyTenantSettingsRequest): TenantSettings {
  if (settings === undefined) throw invalid("settings", "is required");
  const named = settings.sessionSources.map((source, index) => {
    const name = NAMES.get(source);
    if (name === undefined) throw invalid(`settings.session_sources[${index}]`, "names no source");
    return name;
  });
  if (new Set(named).size < named.length) {
    throw invalid("settings.session_sources", "names one more than once");
  }
  return {
    sessionSources: inOrder(named),
    requiresSession: settings.requiresSession,
    rateLimit: parseRateLimit("settings.rate_limit", settings.rateLimit),
    keyRateLimit: parseRateLimit("settings.key_rate_limit", settings.keyRateLimit),
  };
}

function settingsMessage(settings: TenantSettings): MessageInitShape<typeof TenantSettingsSchema> {
  const rateLimit = rateLimitMessage(settings.rateLimit);
  const keyRateLimit = rateLimitMessage(settings.keyRateLimit);
  return {
    sessionSources: settings.sessionSources.map(sourceOf),
    requiresSession: settings.requiresSession,
    ...(rateLimit === undefined ? {} : { rateLimit }),
    ...(keyRateLimit === undefined ? {} : { keyRateLimit }),
  };
}

function sourceOf(name: SessionSourceName): SessionSource {
  const found = [...NAMES].find(([, one]) => one === name);
  if (found === undefined) throw new Error(`${name} has no number`);
  return found[0];
}
