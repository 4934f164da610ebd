import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type {
  MoveRoutesRequest,
  MoveRoutesResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { type CallContext, invalid, storeUnavailable } from "@lanekeeper/rpc";
import { inTrace } from "@lanekeeper/service";
import type { DeliveryContext } from "../context.ts";
import { followMove } from "../sending/follow-move.ts";
import type { ChatPlace } from "../store/routes/chat-place.ts";
import { recordMove } from "../store/routes/moved-addresses.ts";
import { parseText } from "./fields.ts";

/**
 * A conversation has got another id. That is remembered first: from there on no reply is given up for the old one,
 * whatever becomes of the rest, and no route is made beside the one that there is.
 */
export async function moveRoutes(
  context: DeliveryContext,
  request: MoveRoutesRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof MoveRoutesResponseSchema>> {
  const { db, clock, nudge } = context;
  const { place, newAddress, changeTime } = parseMove(context, request, call);
  const address = await recordMove(db, place, newAddress, changeTime, clock.now());
  if (address !== place.address) await follow(context, place, address, call);
  nudge();
  return { address };
}

async function follow(
  context: DeliveryContext,
  place: ChatPlace,
  address: string,
  call: CallContext,
): Promise<void> {
  const { principal, requestId, traceparent } = call;
  const mover = { principal, requestId, within: call, hasTime: () => !call.abortState.aborted };
  // What is left is moved by a repeat, or each with its next reply.
  if (!(await followMove(context, place, address, mover))) {
    throw storeUnavailable("not all routes are moved yet; ask again");
  }
  const log = inTrace(context.log, traceparent);
  const { tenant, kind, accountId: account_id } = place;
  const fields = { tenant, kind, account_id, old_address: place.address, address };
  log.info(fields, "the routes to a conversation lead to its new id");
}

interface Move {
  readonly place: ChatPlace;
  readonly newAddress: string;
  readonly changeTime: Date | undefined;
}

/** Of channels and groups: a person's id never changes. */
const ADDRESSES: ReadonlyMap<RouteKind, { readonly form: RegExp; readonly text: string }> = new Map(
  [
    [
      RouteKind.SLACK,
      {
        form: /^[CG][A-Z0-9]{1,31}$/,
        text: "must be Slack's id of a channel, such as C0123456789",
      },
    ],
    [
      RouteKind.TELEGRAM,
      { form: /^-\d{1,19}$/, text: "must be a group's id, such as -1001234567890" },
    ],
  ],
);

/** @throws INVALID_REQUEST */
function parseMove(
  { limits }: Pick<DeliveryContext, "limits">,
  request: MoveRoutesRequest,
  { tenant }: CallContext,
): Move {
  const { kind, address, newAddress, changeTime } = request;
  const rule = ADDRESSES.get(kind);
  if (rule === undefined) throw invalid("kind", "must be SLACK or TELEGRAM");
  if (!rule.form.test(address)) throw invalid("address", rule.text);
  if (!rule.form.test(newAddress)) throw invalid("new_address", rule.text);
  if (address === newAddress) throw invalid("new_address", "must be another one than address");
  const accountId = parseText("account_id", request.accountId, limits.accountIdBytes);
  if (accountId === "") throw invalid("account_id", "is required");
  const at = changeTime && timestampDate(changeTime);
  if (Number.isNaN(at?.getTime())) throw invalid("change_time", "must be a time");
  return { place: { tenant, kind, accountId, address }, newAddress, changeTime: at };
}
