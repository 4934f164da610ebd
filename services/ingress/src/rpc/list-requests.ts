import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  ListRequestsRequest,
  ListRequestsResponseSchema,
  RequestSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import { isBound } from "@lanekeeper/session-key";
import type { RequestStore, StoredRequest } from "../request-log/store.ts";
import { storeReached } from "./store-reached.ts";
import { pageToken, parsePageSize, parsePageToken } from "./page-token.ts";

/** Lists the tenant's requests over HTTP, newest first; of a bound credential its own and those of its keys. */
export function listRequests(store: Pick<RequestStore, "list">) {
  return async (
    request: ListRequestsRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof ListRequestsResponseSchema>> => {
    const { requestId, traceId, turnId } = asked(request);
    const size = parsePageSize(request.pageSize);
    const beforeEntryId = parsePageToken(request.pageToken);
    const bounds = isBound(call) ? call : undefined;
    const query = { tenant: call.tenant, requestId, traceId, turnId, beforeEntryId, bounds };
    const found = await storeReached("the request log", store.list({ ...query, limit: size + 1 }));
    const page = found.slice(0, size);
    const last = page.at(-1);
    const isMore = found.length > size && last !== undefined;
    return {
      requests: page.map(requestMessage),
      nextPageToken: isMore ? pageToken(last.entryId) : "",
    };
  };
}

/** @throws INVALID_REQUEST for a text that no column holds */
function asked({ requestId, traceId, turnId }: ListRequestsRequest) {
  const texts = { request_id: requestId, trace_id: traceId, turn_id: turnId };
  const [field] = Object.entries(texts).find(([, text]) => text.includes("\0")) ?? [];
  if (field !== undefined) throw invalid(field, "has a NUL character");
  return { requestId, traceId, turnId };
}

function requestMessage(stored: StoredRequest): MessageInitShape<typeof RequestSchema> {
  const { tenant: _tenant, entryId: _entryId, createTime, endTime, ...same } = stored;
  return {
    ...same,
    createTime: timestampFromDate(createTime),
    endTime: timestampFromDate(endTime),
  };
}
