import { invalid } from "@lanekeeper/rpc";
import { type Message, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { JsonObject } from "../../http/json-body.ts";
import type { SingleHeaders } from "../../http/single-headers.ts";
import { selectAgent } from "../agent.ts";
import { fieldOf, flagOf, isAbsent, requireName, requireText } from "../field.ts";
import { type NotOffered, refuseNotOffered } from "../not-offered.ts";
import type { MessageBounds } from "../parse-message.ts";
import { readRequestOptions, refuseExpectation } from "../request-options.ts";
import type { StreamableAsk } from "../turn-door.ts";
import { requireWellFormed } from "../well-formed.ts";
import { parseInput } from "./parse-input.ts";
import { type Reference, unknownItem } from "./referred-items.ts";
import { chatParameters } from "./chat-parameters.ts";

/** A response as it was asked for. */
export interface ResponseRequest extends StreamableAsk {
  /** Empty: none. */
  readonly previousResponseId: string;
  /** An item that was named by its id, and is none of this credential's. */
  readonly unknownItem: Reference | undefined;
}

/** What is not offered, and what to do instead. */
const NOT_OFFERED: NotOffered = [
  [
    "background",
    "is not offered; a turn goes on when its caller leaves, GET its id for the answer",
  ],
  ["prompt", "is not offered; send instructions and input"],
];

/**
 * Reads headers and body of `POST /v1/responses` whose session key has been read (selectSession).
 * @throws INVALID_REQUEST, UNKNOWN_MODEL, AGENT_MISMATCH
 */
export function parseResponseRequest(
  headers: SingleHeaders,
  body: JsonObject,
  rawKey: string | undefined,
  bounds: MessageBounds,
): ResponseRequest {
  requireWellFormed(body);
  refuseNotOffered(body, NOT_OFFERED);
  const model = requireText(fieldOf(body, "model"));
  const options = readRequestOptions(headers);
  const previousResponseId = previousOf(body);
  if (rawKey === undefined && previousResponseId === "") refuseExpectation(options);
  return {
    model,
    agentId: selectAgent(headers, model),
    rawKey,
    previousResponseId,
    unknownItem: unknownItem(body),
    options,
    messages: endingWithInput(parseInput(fieldOf(body, "input"), bounds)),
    parameters: chatParameters(body),
    stream: flagOf(fieldOf(body, "stream")),
  };
}

/** As OpenAI has it: two ways to say what a response goes on from are one too many. */
function previousOf(body: JsonObject): string {
  const previous = fieldOf(body, "previous_response_id");
  if (isAbsent(previous)) return "";
  if (!isAbsent(fieldOf(body, "conversation"))) {
    throw invalid(previous.path, "cannot be given together with conversation");
  }
  // Most likely an unset variable: going on without it would lose the thread.
  return requireName(previous);
}

/** The last item is the turn's own input; an answer cannot be one. */
function endingWithInput(messages: Message[]): Message[] {
  if (messages.at(-1)?.role === Role.ASSISTANT) {
    throw invalid("input", "the last item must not be the assistant's");
  }
  return messages;
}
