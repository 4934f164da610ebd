import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { TranscriptMessageSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { ListMessagesRequest } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import type { RunnerContext } from "../context.ts";
import { LIMITS } from "../limits.ts";
import {
  type MessagePage,
  messagesOfKey,
  messagesOfSession,
  type PageBounds,
  type StoredMessage,
} from "../store/attaching/list-messages.ts";
import { isSessionTold, requireKey } from "./bounds.ts";
import type { Handler } from "./handler.ts";
import { formatPageToken, parsePageToken, parseTokenNumber } from "./page-token.ts";
import { parsePageSize, parseSessionKey, parseUuid } from "./parse-field.ts";

/** A session's own messages, or those of all generations of a key, oldest first. */
export const listMessages: Handler<"listMessages"> = (context) => async (request, call) => {
  const limit = parsePageSize(request.pageSize, 500, 100);
  const bounds = { limit, maxBytes: LIMITS.pageBytes };
  const { messages, isMore } = await read(context, request, call, bounds);
  const last = messages.at(-1);
  return {
    messages: messages.map(messageInit),
    nextPageToken:
      isMore && last !== undefined ? formatPageToken([`${last.generation}`, `${last.seq}`]) : "",
  };
};

async function read(
  { deps }: RunnerContext,
  { session, pageToken }: ListMessagesRequest,
  call: CallContext,
  bounds: PageBounds,
): Promise<MessagePage> {
  const { tenant } = call;
  const token = parsePageToken(pageToken, 2);
  const generation = token === undefined ? 0n : parseTokenNumber(token[0]);
  const seq = token === undefined ? 0n : parseTokenNumber(token[1]);
  switch (session.case) {
    case "sessionId": {
      const sessionId = parseUuid("session_id", session.value);
      if (!(await isSessionTold(deps.db, sessionId, call))) return { messages: [], isMore: false };
      return messagesOfSession(deps.db, tenant, sessionId, seq, bounds);
    }
    case "sessionKey": {
      const key = requireKey(parseSessionKey("session_key", session.value), call);
      return messagesOfKey(deps.db, tenant, key, { generation, seq }, bounds);
    }
    case undefined:
      throw invalid("session", "is required");
  }
}

export function messageInit(
  stored: StoredMessage,
): MessageInitShape<typeof TranscriptMessageSchema> {
  const { createTime, ...rest } = stored;
  return { ...rest, createTime: timestampFromDate(createTime) };
}
