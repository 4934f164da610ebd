import { invalid } from "@lanekeeper/rpc";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { IngressContext } from "../../context.ts";
import type { TurnAsk } from "../../turns/turn-ask.ts";
import { refuseExpectation } from "../request-options.ts";
import { requireSession } from "../select-session.ts";
import type { ResponseRequest } from "./parse-response-request.ts";
import type { Asker } from "../asker.ts";
import { readResponse, type StoredResponse } from "./stored-response.ts";

const FIELD = "previous_response_id";

/**
 * Where a response goes on from. One that has a session names it: the new turn is that session's next,
 * and a key that was sent as well must lead there. One without brings along what it was asked and what
 * it answered, and so on from the first of its kind.
 * @throws NOT_FOUND for a response that is not this credential's, INVALID_REQUEST for one without an
 * answer
 */
export async function goOnFromPrevious(
  context: Pick<IngressContext, "runner" | "settings">,
  asker: Asker,
  ask: ResponseRequest,
): Promise<TurnAsk> {
  if (ask.previousResponseId === "") return ask;
  const previous = await readResponse(context, asker, ask.previousResponseId);
  const { sessionKey } = previous.turn;
  if (sessionKey !== "") return inSession(ask, sessionKey);
  if (ask.rawKey === undefined) {
    refuseExpectation(ask.options);
    await requireSession(context.settings, asker.caller);
  }
  return { ...ask, messages: [...conversationOf(previous), ...ask.messages] };
}

function inSession(ask: ResponseRequest, sessionKey: string): TurnAsk {
  if (ask.rawKey === undefined) return { ...ask, rawKey: sessionKey };
  return { ...ask, sameSessionAs: sessionKey };
}

function conversationOf({ turn, request, answering }: StoredResponse) {
  const { reply } = answering;
  if (reply !== undefined) return [...request.messages, reply];
  const isOpen = turn.state === TurnState.QUEUED || turn.state === TurnState.ACTIVE;
  throw invalid(FIELD, isOpen ? "has not been answered yet" : "has no answer to go on from");
}
