import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  ListRequestsRequest,
  ListRequestsResponseSchema,
  RequestSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import { isUnavailable } from "@lanekeeper/postgres";
import { storeUnavailable } from "@lanekeeper/rpc";
import type { RequestStore, StoredRequest } from "../request-log/store.ts";
import { pageToken, parsePageToken } from "./page-token.ts";

const PAGE_SIZE = { byDefault: 50, max: 500 };

/** Lists the tenant's requests over HTTP, newest first. */
export function listRequests(store: Pick<RequestStore, "list">) {
  return async (
    request: ListRequestsRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof ListRequestsResponseSchema>> => {
    const { requestId, traceId, turnId } = request;
    const size = parsePageSize(request.pageSize);
    const beforeEntryId = parsePageToken(request.pageToken);
    const query = { tenant: call.tenant, requestId, traceId, turnId, beforeEntryId };
    const found = await ask(store, { ...query, limit: size + 1 });
    const page = found.slice(0, size);
    const last = page.at(-1);
    const isMore = found.length > size && last !== undefined;
    return {
      requests: page.map(requestMessage),
      nextPageToken: isMore ? pageToken(last.entryId) : "",
    };
  };
}

async function ask(
  store: Pick<RequestStore, "list">,
  query: Parameters<RequestStore["list"]>[0],
): Promise<StoredRequest[]> {
  try {
    return await store.list(query);
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    throw storeUnavailable("the request log cannot be read now; ask again", error);
  }
}

function parsePageSize(size: number): number {
  if (size >= 0 && size <= PAGE_SIZE.max) return size === 0 ? PAGE_SIZE.byDefault : size;
  throw invalid("page_size", `must be 1 to ${PAGE_SIZE.max}`);
}

function requestMessage(stored: StoredRequest): MessageInitShape<typeof RequestSchema> {
  const { tenant: _tenant, entryId: _entryId, createTime, endTime, ...same } = stored;
  return {
    ...same,
    createTime: timestampFromDate(createTime),
    endTime: timestampFromDate(endTime),
  };
}
