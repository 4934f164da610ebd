import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  ListRouteChangesRequest,
  ListRouteChangesResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { listRouteChanges as readChanges } from "../store/routes/list-route-changes.ts";
import { parsePageSize } from "./fields.ts";
import { findRoute } from "./find-route.ts";
import { routeChangeMessage } from "./messages.ts";

/** Lists how a route stood, newest first. */
export async function listRouteChanges(
  context: DeliveryContext,
  request: ListRouteChangesRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof ListRouteChangesResponseSchema>> {
  const { db, limits } = context;
  const size = parsePageSize(request.pageSize, limits);
  const beforeNumber = parseToken(request.pageToken);
  const route = await findRoute(context, request.routeId, call);
  const page = { beforeNumber, limit: size + 1 };
  const found = await readChanges(db, call.tenant, route.routeId, page);
  const changes = found.slice(0, size);
  const last = changes.at(-1);
  const isMore = found.length > size && last !== undefined;
  return {
    changes: changes.map((change) => routeChangeMessage(route, change)),
    nextPageToken: isMore ? `c1.${last.changeNumber}` : "",
  };
}

function parseToken(token: string): number | undefined {
  if (token === "") return undefined;
  const digits = /^c1\.(\d{1,9})$/.exec(token)?.[1];
  if (digits === undefined) throw invalid("page_token", "is none that this call gave");
  return Number(digits);
}
