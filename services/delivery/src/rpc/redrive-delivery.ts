import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  RedriveGeneration,
  type RedriveDeliveryRequest,
  type RedriveDeliveryResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import {
  type CallContext,
  invalid,
  LanekeeperError,
  notFound,
  storeUnavailable,
} from "@lanekeeper/rpc";
import { inTrace } from "@lanekeeper/service";
import type { DeliveryContext } from "../context.ts";
import { tellOutcomes } from "../sending/tell-outcomes.ts";
import { readRedriveId } from "../store/dead-letters/read-redrive-id.ts";
import { type Redrive, redrive } from "../store/dead-letters/redrive.ts";
import { readRoute } from "../store/routes/configure-route.ts";
import { parseId, parseNote } from "./fields.ts";
import { findDelivery, requireDead } from "./find-delivery.ts";
import { deliveryMessage } from "./messages.ts";

/** Sends a dead letter again. A repeat of the last redrive tells how it stands. */
export async function redriveDelivery(
  context: DeliveryContext,
  request: RedriveDeliveryRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof RedriveDeliveryResponseSchema>> {
  const { db, limits, ids, nudge } = context;
  const requestId = parseId("request_id", request.requestId, limits.requestIdChars);
  const note = parseNote(request.note, limits);
  const found = await findDelivery(context, request.deliveryId, call);
  const { deliveryId, routeId } = found;
  const { tenant, principal } = call;
  if ((await readRedriveId(db, tenant, deliveryId)) !== requestId) {
    requireDead(found);
    const session = await chosenSession(context, request, found.sessionKey, call);
    await settleBefore(context, { tenant, deliveryId }, call);
    const { expireMs } = limits;
    const about = { tenant, principal, note, deliveryId, routeId, requestId, expireMs };
    await carryOut(context, { ...about, session, fenceId: ids.uuid() });
    nudge();
  }
  return { delivery: deliveryMessage(await findDelivery(context, deliveryId, call)) };
}

/** Undefined: the one that committed it. */
async function chosenSession(
  { identity }: DeliveryContext,
  { generation, expectedGeneration }: RedriveDeliveryRequest,
  sessionKey: string,
  call: CallContext,
): Promise<Redrive["session"]> {
  if (generation === RedriveGeneration.OWN) return undefined;
  if (generation !== RedriveGeneration.CURRENT) {
    throw invalid("generation", "must be REDRIVE_GENERATION_OWN or REDRIVE_GENERATION_CURRENT");
  }
  const asked = { session: { case: "sessionKey", value: sessionKey } } as const;
  const { tenant, principal, requestId } = call;
  const answer = await identity.getSession(asked, { tenant, principal, requestId, within: call });
  const current = answer.session?.ref;
  if (current === undefined) throw new Error("GetSession answered without a session");
  if (expectedGeneration !== 0n && expectedGeneration !== current.generation) {
    throw new LanekeeperError("GENERATION_MISMATCH", "another generation is current", {
      metadata: { generation: String(current.generation) },
    });
  }
  return { sessionId: current.sessionId, generation: current.generation };
}

/** Under another name at session-identity nobody could settle what was claimed under this one. */
async function settleBefore(
  { db, steps, identity, log: base, limits }: DeliveryContext,
  name: { readonly tenant: string; readonly deliveryId: string },
  { traceparent }: CallContext,
): Promise<void> {
  const log = inTrace(base, traceparent);
  if (await tellOutcomes({ db, steps, identity, log, limits }, name)) return;
  const message = "session-identity could not be told of the attempts before; ask again";
  throw storeUnavailable(message, undefined, "session-identity");
}

/** @throws INVALID_REQUEST where somebody else was quicker, NOT_FOUND where its route was erased */
async function carryOut({ db }: DeliveryContext, wanted: Redrive): Promise<void> {
  if (await redrive(db, wanted)) return;
  const { tenant, deliveryId, routeId, requestId } = wanted;
  if ((await readRedriveId(db, tenant, deliveryId)) === requestId) return;
  if ((await readRoute(db, tenant, routeId)) === undefined) throw notFound("route", routeId);
  throw invalid("delivery_id", `${deliveryId} is no dead letter any more`);
}
