import { invalid } from "@lanekeeper/rpc";
import { type Message, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { JsonObject } from "../http/json-body.ts";
import type { SingleHeaders } from "../http/single-headers.ts";
import type { TurnAsk } from "../turns/turn-ask.ts";
import { selectAgent } from "./agent.ts";
import { fieldOf, flagOf, isAbsent, requireList, requireObject, requireText } from "./field.ts";
import { requireFunctions } from "./chat-tools.ts";
import { type NotOffered, refuseNotOffered } from "./not-offered.ts";
import { parametersOf } from "./parameters.ts";
import { type MessageBounds, parseMessages } from "./parse-message.ts";
import { readRequestOptions, refuseExpectation } from "./request-options.ts";
import { requireWellFormed } from "./well-formed.ts";

/** A chat completion as it was asked for. */
export interface ChatRequest extends TurnAsk {
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

/** What is not offered, and what to do instead. */
const NOT_OFFERED: NotOffered = [
  ["functions", "is not offered; send tools"],
  ["function_call", "is not offered; send tool_choice"],
  ["audio", "is not offered: answers are text"],
  ["logprobs", "is not offered: answers are told without"],
];

/**
 * Reads headers and body of a chat completion whose session key has been read (selectSessionKey).
 * @throws INVALID_REQUEST, UNKNOWN_MODEL, AGENT_MISMATCH
 */
export function parseChatRequest(
  headers: SingleHeaders,
  body: JsonObject,
  rawKey: string | undefined,
  bounds: MessageBounds,
): ChatRequest {
  requireWellFormed(body);
  const model = requireText(fieldOf(body, "model"));
  const options = readRequestOptions(headers);
  if (rawKey === undefined) refuseExpectation(options);
  refuseSeveralChoices(body);
  refusePrevious(body);
  refuseNotOffered(body, NOT_OFFERED);
  refuseSpeech(body);
  requireFunctions(fieldOf(body, "tools"));
  return {
    model,
    agentId: selectAgent(headers, model),
    rawKey,
    options,
    messages: endingWithInput(parseMessages(fieldOf(body, "messages"), bounds)),
    parameters: parametersOf(body),
    stream: flagOf(fieldOf(body, "stream")),
    includeUsage: includeUsage(body),
  };
}

function refuseSeveralChoices(body: JsonObject): void {
  const n = fieldOf(body, "n");
  if (!isAbsent(n) && n.value !== 1) {
    throw invalid(n.path, "must be 1: a conversation goes on from one answer");
  }
}

/** It names no session here, and would be taken for one that does by whoever sent it. */
function refusePrevious(body: JsonObject): void {
  const previous = fieldOf(body, "previous_response_id");
  if (!isAbsent(previous)) throw invalid(previous.path, "is taken by POST /v1/responses alone");
}

function refuseSpeech(body: JsonObject): void {
  const modalities = fieldOf(body, "modalities");
  if (isAbsent(modalities)) return;
  const isText = requireList(modalities).every((modality) => modality === "text");
  if (!isText) throw invalid(modalities.path, "may have text alone: answers are text");
}

/** The last message is the turn's own input; an answer cannot be one. */
function endingWithInput(messages: Message[]): Message[] {
  const last = messages.at(-1);
  if (last?.role === Role.ASSISTANT) {
    const field = `messages[${messages.length - 1}].role`;
    throw invalid(field, "the last message must not be the assistant's");
  }
  return messages;
}

function includeUsage(body: JsonObject): boolean {
  const options = fieldOf(body, "stream_options");
  if (isAbsent(options)) return false;
  return flagOf(fieldOf(requireObject(options), "include_usage", options.path));
}
