import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type ApplyTenantSettingsRequest,
  type ApplyTenantSettingsResponseSchema,
  type GetTenantSettingsResponseSchema,
  SessionSource,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { isUnavailable } from "@lanekeeper/postgres";
import { type CallContext, invalid, storeUnavailable } from "@lanekeeper/rpc";
import type { SettingsStore } from "../settings/store.ts";
import {
  inOrder,
  type SessionSourceName,
  type TenantSettings,
} from "../settings/tenant-settings.ts";

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
    return { version: await reached(store.write(call.tenant, settings)) };
  };
}

/** Tells how the tenant's requests are taken. @throws STORE_UNAVAILABLE */
export function getTenantSettings(store: Pick<SettingsStore, "read">) {
  return async (
    _request: unknown,
    call: CallContext,
  ): Promise<MessageInitShape<typeof GetTenantSettingsResponseSchema>> => {
    const found = await reached(store.read(call.tenant));
    const { sessionSources, requiresSession, version, applyTime } = found;
    const settings = { sessionSources: sessionSources.map(sourceOf), requiresSession };
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
  return { sessionSources: inOrder(named), requiresSession: settings.requiresSession };
}

function sourceOf(name: SessionSourceName): SessionSource {
  const found = [...NAMES].find(([, one]) => one === name);
  if (found === undefined) throw new Error(`${name} has no number`);
  return found[0];
}

async function reached<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    throw storeUnavailable("the tenant's settings cannot be reached now; ask again", error);
  }
}
