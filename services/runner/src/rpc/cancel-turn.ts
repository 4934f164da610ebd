import { type CallContext, invalid } from "@lanekeeper/rpc";
import { isBound } from "@lanekeeper/session-key";
import type { RunnerContext } from "../context.ts";
import { LIMITS } from "../limits.ts";
import { cancelTurn as cancelAlone, cancelWithGroup } from "../lanes/cancel.ts";
import { readTurn } from "../store/attaching/read-turn.ts";
import { requireTold } from "./bounds.ts";
import type { Handler } from "./handler.ts";
import { logOf } from "../turn-fields.ts";
import { parseStorable, parseUuid } from "./parse-field.ts";
import { showStored } from "./show-turn.ts";

/** Known by its turn: a repeat changes nothing. @throws NOT_FOUND */
export const cancelTurn: Handler<"cancelTurn"> = (context) => async (request, call) => {
  const turnId = parseUuid("turn_id", request.turnId);
  if (request.note.length > LIMITS.noteChars) {
    throw invalid("note", `has more than ${LIMITS.noteChars} characters`);
  }
  parseStorable("note", request.note);
  await requireReach(context, turnId, call);
  const { note, withGroup } = request;
  const cancel = withGroup ? cancelWithGroup : cancelAlone;
  const turn = await cancel(context.cancelParts, call.tenant, turnId, note);
  const { principal: cancelled_by, requestId: cancel_request_id } = call;
  logOf(context.deps.log, turn).info(
    { cancelled_by, cancel_request_id, note, state: turn.state },
    "cancelling was asked for",
  );
  return { turn: await showStored(context, turn) };
};

/** A turn never moves out of its tenant, and merges need both keys: what was read holds. */
async function requireReach(
  { deps }: RunnerContext,
  turnId: string,
  call: CallContext,
): Promise<void> {
  if (isBound(call)) requireTold(await readTurn(deps.db, call.tenant, turnId), turnId, call);
}
