import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  WatchSessionsRequest,
  WatchSessionsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import { MAX_KEY_BYTES, parseAgentId } from "@lanekeeper/session-key";
import type { DeliveryContext } from "../context.ts";
import { parseText } from "./fields.ts";

/** Session states of the caller's tenant: snapshot, then changes; or changes alone, from a token. */
export async function* watchSessions(
  { sessions }: DeliveryContext,
  request: WatchSessionsRequest,
  call: CallContext,
): AsyncIterable<MessageInitShape<typeof WatchSessionsResponseSchema>> {
  const { resumeToken, agentId } = request;
  if (agentId !== "" && parseAgentId(agentId) === undefined) {
    throw invalid("agent_id", "is no agent id");
  }
  const { sessionKeyPrefix: prefix } = request;
  const sessionKeyPrefix = parseText("session_key_prefix", prefix, MAX_KEY_BYTES);
  for await (const event of sessions.watch({ resumeToken, agentId, sessionKeyPrefix }, call)) {
    yield { event };
  }
}
