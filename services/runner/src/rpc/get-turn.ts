import type { Handler } from "./handler.ts";
import { parseUuid } from "./parse-field.ts";
import { showTurn } from "./show-turn.ts";

/** @throws NOT_FOUND */
export const getTurn: Handler<"getTurn"> = (context) => async (request, call) => ({
  turn: await showTurn(context, call.tenant, parseUuid("turn_id", request.turnId)),
});
