import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  ProgressPhase,
  type ShowProgressRequest,
  type ShowProgressResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import type { HintPhase } from "../sending/channel.ts";
import { parseId, parseSessionKey, parseUuid } from "./fields.ts";

/** Takes a hint; whether it is shown, and when, nobody waits for. */
export function showProgress(
  { hints, limits }: DeliveryContext,
  request: ShowProgressRequest,
  call: CallContext,
): MessageInitShape<typeof ShowProgressResponseSchema> {
  const { session } = request;
  if (session === undefined) throw invalid("session", "is required");
  hints.show({
    tenant: call.tenant,
    principal: call.principal,
    requestLabel: call.requestId,
    traceparent: call.traceparent ?? "",
    routeId: parseUuid("route_id", request.routeId),
    sessionKey: parseSessionKey("session.session_key", session.sessionKey),
    sessionId: parseUuid("session.session_id", session.sessionId),
    generation: session.generation,
    turnId: parseId("turn_id", request.turnId, limits.turnIdChars),
    phase: parsePhase(request.phase),
  });
  return {};
}

function parsePhase(phase: ProgressPhase): HintPhase {
  if (phase === ProgressPhase.QUEUED) return "queued";
  if (phase === ProgressPhase.RUNNING) return "running";
  throw invalid("phase", "must be PROGRESS_PHASE_QUEUED or PROGRESS_PHASE_RUNNING");
}
