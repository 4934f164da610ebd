import { create, type JsonObject } from "@bufbuild/protobuf";
import { TurnRequestSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { readTurn } from "../store/attaching/read-turn.ts";
import { requireTold } from "./bounds.ts";
import type { Handler } from "./handler.ts";
import { parseUuid } from "./parse-field.ts";
import { showStored } from "./show-turn.ts";

/** @throws NOT_FOUND */
export const getTurn: Handler<"getTurn"> = (context) => async (request, call) => {
  const turnId = parseUuid("turn_id", request.turnId);
  const read = await readTurn(context.deps.db, call.tenant, turnId);
  const stored = requireTold(read, turnId, call);
  const turn = await showStored(context, stored);
  if (!request.withRequest) return { turn };
  const asked = create(TurnRequestSchema, {
    messages: [...stored.input],
    parameters: stored.parameters as JsonObject,
  });
  return { turn, request: asked };
};
