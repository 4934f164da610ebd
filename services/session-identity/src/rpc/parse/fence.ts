import type {
  Fence as ProtoFence,
  ReplyFence as ProtoReplyFence,
  SessionRef,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { invalid } from "@lanekeeper/rpc";
import type { Fence, ReplyFence } from "../../domain/records.ts";
import { sessionKey as keyIn } from "./key.ts";
import { positive, uuid, visibleId } from "./text.ts";

export function fence(field: string, given: ProtoFence): Fence {
  const { sessionKey, sessionId, generation } = sessionRef(`${field}.session`, given.session);
  return {
    sessionKey,
    sessionId,
    generation,
    runId: uuid(`${field}.run_id`, given.runId),
    runEpoch: positive(`${field}.run_epoch`, given.runEpoch),
  };
}

export function replyFence(field: string, given: ProtoReplyFence): ReplyFence {
  const { sessionKey, sessionId, generation } = sessionRef(`${field}.session`, given.session);
  return {
    sessionKey,
    sessionId,
    generation,
    turnId: visibleId(`${field}.turn_id`, given.turnId),
    deliveryId: visibleId(`${field}.delivery_id`, given.deliveryId),
  };
}

function sessionRef(field: string, given: SessionRef | undefined) {
  if (given === undefined) throw invalid(field, "is required");
  return {
    sessionKey: keyIn(`${field}.session_key`, given.sessionKey),
    sessionId: uuid(`${field}.session_id`, given.sessionId),
    generation: positive(`${field}.generation`, given.generation),
  };
}
