import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { endingError, isAnswered } from "../../turns/outcome.ts";
import { acceptedReceipt, receipt } from "../receipt.ts";
import {
  answeredResponse,
  failedResponse,
  openResponse,
  type ResponseHead,
  type ResponseJson,
} from "./response-json.ts";
import { acceptedOf, endedOf, type StoredResponse } from "./stored-response.ts";

/** A response from its stored turn. */
export function showResponse(stored: StoredResponse, requestId: string): ResponseJson {
  const head = headOf(stored);
  const accepted = acceptedOf(stored);
  const { state } = stored.answering;
  if (state === TurnState.QUEUED || state === TurnState.ACTIVE) {
    const status = state === TurnState.QUEUED ? "queued" : "in_progress";
    return openResponse(head, status, acceptedReceipt(accepted, requestId));
  }
  const ended = endedOf(stored);
  const lanekeeper = receipt(accepted, ended, requestId);
  if (!isAnswered(ended)) return failedResponse(head, endingError(ended), ended, lanekeeper);
  return answeredResponse(head, ended, lanekeeper, endSeconds(stored));
}

/** Turns of other APIs do not keep the name by which their agent was asked for. */
function headOf({ turn, request }: StoredResponse): ResponseHead {
  const { turnId, sessionKey, origin } = turn;
  const { parameters = {} } = request;
  const { model } = parameters;
  return {
    turnId,
    model: typeof model === "string" ? model : turn.model,
    conversation: sessionKey === "" ? undefined : origin?.rawKey || sessionKey,
    parameters,
  };
}

function endSeconds({ answering: { endTime } }: StoredResponse): number {
  return endTime === undefined ? 0 : Math.floor(timestampDate(endTime).getTime() / 1_000);
}
