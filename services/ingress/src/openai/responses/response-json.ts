import type { TurnEnded } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { TurnState, type Usage } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { LanekeeperError } from "@lanekeeper/rpc";
import type { JsonObject } from "../../http/json-body.ts";
import { echoOf } from "./echo.ts";
import { incompleteReason, outputOf } from "./output.ts";
import { createdSeconds, responseId } from "./response-id.ts";

/** What is the same in a response from its first event to its last. */
export interface ResponseHead {
  readonly turnId: string;
  /** As the client wrote it. */
  readonly model: string;
  /** The name that led to the session; undefined: stateless. */
  readonly conversation: string | undefined;
  /** Of the turn. */
  readonly parameters: JsonObject;
}

type ResponseStatus =
  | "queued"
  | "in_progress"
  | "completed"
  | "incomplete"
  | "failed"
  | "cancelled";

/** @see https://platform.openai.com/docs/api-reference/responses/object */
export interface ResponseJson {
  readonly status: ResponseStatus;
  readonly [name: string]: unknown;
}

/** A response that has no answer yet. */
export function openResponse(
  head: ResponseHead,
  status: "queued" | "in_progress",
  lanekeeper: object,
): ResponseJson {
  return responseJson(head, { status, lanekeeper });
}

/** A response whose turn has an answer. */
export function answeredResponse(
  head: ResponseHead,
  ended: TurnEnded,
  lanekeeper: object,
  endTimeS: number,
): ResponseJson {
  const reason = incompleteReason(ended.finishReason);
  return responseJson(head, {
    status: reason === undefined ? "completed" : "incomplete",
    completed_at: reason === undefined ? endTimeS : null,
    incomplete_details: reason === undefined ? null : { reason },
    output: outputOf(head.turnId, ended),
    usage: responseUsage(ended.usage),
    lanekeeper,
  });
}

/** A response whose turn ended without an answer. `code` is our reason. */
export function failedResponse(
  head: ResponseHead,
  error: LanekeeperError,
  { state }: Pick<TurnEnded, "state">,
  lanekeeper: object,
): ResponseJson {
  return responseJson(head, {
    status: state === TurnState.CANCELLED ? "cancelled" : "failed",
    error: { code: error.reason, message: error.message },
    lanekeeper,
  });
}

function responseJson(
  head: ResponseHead,
  state: { readonly status: ResponseStatus; readonly [name: string]: unknown },
): ResponseJson {
  const { turnId, model, conversation, parameters } = head;
  return {
    id: responseId(turnId),
    object: "response",
    created_at: createdSeconds(turnId),
    model,
    completed_at: null,
    error: null,
    incomplete_details: null,
    output: [],
    usage: null,
    conversation: conversation === undefined ? null : { id: conversation },
    ...echoOf(parameters),
    ...state,
  };
}

function responseUsage(usage: Usage | undefined): object {
  const input = Number(usage?.inputTokens ?? 0n);
  const output = Number(usage?.outputTokens ?? 0n);
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: input + output,
  };
}
