import { invalid } from "@lanekeeper/rpc";
import { LIMITS } from "../limits.ts";
import { cancelTurn as cancel } from "../running/cancel.ts";
import type { Handler } from "./handler.ts";
import { parseUuid } from "./parse-field.ts";
import { showStored } from "./show-turn.ts";

/** Known by its turn: a repeat changes nothing. @throws NOT_FOUND */
export const cancelTurn: Handler<"cancelTurn"> = (context) => async (request, call) => {
  const turnId = parseUuid("turn_id", request.turnId);
  if (request.note.length > LIMITS.noteChars) {
    throw invalid("note", `has more than ${LIMITS.noteChars} characters`);
  }
  const turn = await cancel(context.cancelParts, call.tenant, turnId, request.note);
  return { turn: await showStored(context, turn) };
};
