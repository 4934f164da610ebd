import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  WatchSessionsRequest,
  WatchSessionsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import { MAX_KEY_BYTES, parseAgentId } from "@lanekeeper/session-key";
import type { DeliveryContext } from "../context.ts";
import { parseText } from "./fields.ts";

/**
 * States of the caller's tenant: snapshot, then changes; or changes alone, from a token. Ends with
 * RESUME_TOKEN_EXPIRED, SLOW_CONSUMER or STORE_UNAVAILABLE, and then goes on from the last token.
 */
export async function* watchSessions(
  { sessions }: DeliveryContext,
  request: WatchSessionsRequest,
  call: CallContext,
): AsyncIterable<MessageInitShape<typeof WatchSessionsResponseSchema>> {
  const { resumeToken, agentId, lanes } = request;
  if (agentId !== "" && parseAgentId(agentId) === undefined) {
    throw invalid("agent_id", "is no agent id");
  }
  const { sessionKeyPrefix: prefix } = request;
  const sessionKeyPrefix = parseText("session_key_prefix", prefix, MAX_KEY_BYTES);
  yield* sessions.watch({ resumeToken, agentId, sessionKeyPrefix, lanes }, call);
}
