import type { JsonObject as ProtoJsonObject } from "@bufbuild/protobuf";
import { invalid } from "@lanekeeper/rpc";
import { type Message, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { JsonObject } from "../http/json-body.ts";
import type { SingleHeaders } from "../http/single-headers.ts";
import { selectAgent } from "./agent.ts";
import { fieldOf, flagOf, isAbsent, requireObject, requireText } from "./field.ts";
import { parametersOf } from "./parameters.ts";
import { type MessageBounds, parseMessages } from "./parse-message.ts";
import { type RequestOptions, readRequestOptions } from "./request-options.ts";
import { requireWellFormed } from "./well-formed.ts";

/** A chat completion as it was asked for. */
export interface ChatRequest {
  /** As the client wrote it; answers echo it. */
  readonly model: string;
  /** Empty: the key's agent, else the tenant's default. */
  readonly agentId: string;
  /** Undefined: stateless. */
  readonly rawKey: string | undefined;
  readonly options: RequestOptions;
  readonly messages: readonly Message[];
  /** What goes on to the model as it came. */
  readonly parameters: ProtoJsonObject;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

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

/** Most likely the header with the key was misspelt, and the turn would run outside its session. */
function refuseExpectation({ expectedSessionId, expectedGeneration }: RequestOptions): void {
  const without = "is given without a session key; send one in x-session-key";
  if (expectedSessionId !== "") throw invalid("x-expect-session-id", without);
  if (expectedGeneration !== 0n) throw invalid("x-expect-generation", without);
}

function refuseSeveralChoices(body: JsonObject): void {
  const n = fieldOf(body, "n");
  if (!isAbsent(n) && n.value !== 1) {
    throw invalid(n.path, "must be 1: a conversation goes on from one answer");
  }
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
