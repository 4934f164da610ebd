import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  WatchLanesRequest,
  WatchLanesResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/lane";
import { type CallContext, invalid, permissionDenied } from "@lanekeeper/rpc";
import { isKeyWithin, parseAgentId } from "@lanekeeper/session-key";
import { LIMITS } from "../limits.ts";
import type { LaneArrival } from "../watch/lane-subscription.ts";
import { type SeenLane, showSeen } from "../watch/seen-lane.ts";
import { requireAgent } from "./bounds.ts";
import type { Handler } from "./handler.ts";
import { parseText } from "./parse-field.ts";
import { asTold } from "./told.ts";

/** Snapshot, then changes, until the reader leaves. @throws RATE_LIMITED, SLOW_CONSUMER, QUOTA */
export const watchLanes: Handler<"watchLanes"> = ({ deps, laneFeed }) =>
  async function* (request, call) {
    const wants = laneFilter(request, call);
    const everybody = isOfAllTenants(call);
    const { subscription, leave } = laneFeed.join(everybody ? undefined : call.tenant, wants);
    try {
      for (;;) {
        const arrival = await subscription.next(call.signal);
        yield show(arrival, everybody, deps.clock.monotonicMs());
      }
    } catch (error) {
      throw asTold(error);
    } finally {
      leave();
    }
  };

/** A service watches all tenants for itself, never for an outside credential. @throws PERMISSION_DENIED */
function isOfAllTenants({ tenant, scopes }: CallContext): boolean {
  if (tenant !== "") return false;
  if (scopes.length > 0)
    throw permissionDenied("a credential watches the lanes of its tenant alone");
  return true;
}

/** @throws INVALID_REQUEST naming the field, PERMISSION_DENIED for another's agent */
function laneFilter(request: WatchLanesRequest, call: CallContext): (seen: SeenLane) => boolean {
  const { agentId, sessionKeyPrefix } = request;
  parseText("session_key_prefix", sessionKeyPrefix, LIMITS.rawKeyBytes);
  if (agentId !== "" && parseAgentId(agentId) === undefined) {
    throw invalid("agent_id", "is no agent id");
  }
  if (agentId !== "") requireAgent(agentId, call);
  const agents = agentId === "" ? call.agents : [agentId];
  const bounds = { agents, keyPrefixes: call.keyPrefixes };
  return ({ lane: { sessionKey } }) =>
    sessionKey.startsWith(sessionKeyPrefix) && isKeyWithin(sessionKey, bounds);
}

function show(
  arrival: LaneArrival,
  everybody: boolean,
  nowMs: number,
): MessageInitShape<typeof WatchLanesResponseSchema> {
  switch (arrival.kind) {
    case "snapshot_end":
      return { event: { case: "snapshotEnd", value: {} } };
    case "silence":
      return { event: { case: "bookmark", value: {} } };
    default: {
      const value = showSeen(arrival.lane, nowMs);
      return {
        event: { case: arrival.kind, value },
        tenant: everybody ? arrival.lane.lane.tenant : "",
      };
    }
  }
}
