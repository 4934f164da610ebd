import type { AbortState } from "@lanekeeper/postgres";
import {
  type CallContext,
  isOutside,
  LanekeeperError,
  peerName,
  permissionDenied,
} from "@lanekeeper/rpc";
import {
  agentBoundBy,
  agentOf,
  type CanonicalKey,
  checkKeyPermission,
  type KeyBounds,
  keyBoundBy,
  type Trail,
} from "@lanekeeper/session-key";
import type { Asker } from "../store/journal/journal-rows.ts";
import type { Tenant } from "./tenant.ts";

/** For whom a call is made, and what they may name. */
export interface NameCaller {
  readonly tenant: string;
  /** True where the call acts for an outside credential; a service that acts for itself shows no scopes. */
  readonly outside: boolean;
  readonly scopes: readonly string[];
  readonly agents: readonly string[];
  readonly keyPrefixes: readonly string[];
  readonly asker: Asker;
  readonly abortState: AbortState;
}

export function nameCaller(call: CallContext): NameCaller {
  return new CallersName(call);
}

/** What few calls ask for is made when it is asked for. */
class CallersName implements NameCaller {
  readonly #call: CallContext;
  readonly tenant: string;
  readonly outside: boolean;
  readonly scopes: readonly string[];
  readonly agents: readonly string[];
  readonly keyPrefixes: readonly string[];

  constructor(call: CallContext) {
    this.#call = call;
    this.tenant = call.tenant;
    this.scopes = call.scopes;
    this.agents = call.agents;
    this.keyPrefixes = call.keyPrefixes;
    this.outside = isOutside(call);
  }

  get asker(): Asker {
    return askerOf(this.#call);
  }

  get abortState(): AbortState {
    return this.#call.abortState;
  }
}

/** What the journal keeps of a call. */
export function askerOf(call: CallContext): Asker {
  return {
    source: peerName(call.peer),
    principal: call.principal,
    requestId: call.requestId,
    traceId: call.traceparent?.split("-")[1] ?? "",
  };
}

/** @throws PERMISSION_DENIED if the credential is bound to other agents */
export function checkAgent(agentId: string, bounds: KeyBounds): void {
  const by = agentBoundBy(agentId, bounds);
  if (by === undefined) return;
  throw permissionDenied(`the credential may not use agent ${agentId}`, {
    agent_id: agentId,
    bound_by: by,
  });
}

/**
 * By the key alone, so that it tells nothing of what stands under it.
 * @throws PERMISSION_DENIED if the credential is bound to other agents or keys
 */
export function checkBounds(key: CanonicalKey, bounds: KeyBounds): void {
  checkAgent(agentOf(key), bounds);
  const by = keyBoundBy(key, bounds);
  if (by === undefined) return;
  throw permissionDenied("the key is none of those that the credential is bound to", {
    bound_by: by,
  });
}

/**
 * On every call, whether or not the name was seen. With a trail the rules are written down for an explanation.
 * @throws RESERVED_NAMESPACE, PERMISSION_DENIED
 */
export function checkMayUse(
  key: CanonicalKey,
  caller: NameCaller,
  tenant: Tenant,
  trail?: Trail,
): void {
  checkBounds(key, caller);
  const { outside, scopes, keyPrefixes } = caller;
  const typedChannels = tenant.channels;
  const keyCaller = { outside, scopes, keyPrefixes, typedChannels };
  const refusal = checkKeyPermission(key, keyCaller, trail);
  if (refusal === undefined) return;
  // Judged in the canonical key: an offset in it is none in the name that was sent.
  const { reason, message, values: metadata } = refusal;
  throw new LanekeeperError(reason, message, metadata && { metadata });
}
