import { create } from "@bufbuild/protobuf";
import { invalid } from "@lanekeeper/rpc";
import {
  type Message,
  MessageSchema,
  type Part,
  PartSchema,
  Role,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { JsonObject } from "../http/json-body.ts";
import {
  type Field,
  fieldOf,
  isAbsent,
  itemOf,
  requireList,
  requireName,
  requireObject,
  requireText,
} from "./field.ts";
import {
  ASSISTANT_PARTS,
  parseContent,
  type PartKinds,
  TEXT_PARTS,
  text,
  USER_PARTS,
} from "./parse-content.ts";

export interface MessageBounds {
  readonly maxShownMessages: number;
  readonly maxPartsPerMessage: number;
}

const MAX_SENDER_BYTES = 256;

const ROLES: ReadonlyMap<string, Role> = new Map([
  ["system", Role.SYSTEM],
  // What newer models call their system message.
  ["developer", Role.SYSTEM],
  ["user", Role.USER],
  ["assistant", Role.ASSISTANT],
  ["tool", Role.TOOL],
]);

/**
 * The messages of a request in OpenAI's shape, as the runner takes them.
 * @throws INVALID_REQUEST naming the path.
 */
export function parseMessages(messages: Field, bounds: MessageBounds): Message[] {
  const list = requireList(messages);
  if (list.length === 0) throw invalid(messages.path, "must have at least one message");
  const { maxShownMessages: most } = bounds;
  if (list.length > most) {
    throw invalid(
      messages.path,
      `may have ${most} messages, got ${list.length}; leave out old ones`,
    );
  }
  return list.map((item, index) =>
    parseMessage(itemOf(messages, index, item), bounds.maxPartsPerMessage),
  );
}

function parseMessage(field: Field, maxParts: number): Message {
  const message = requireObject(field);
  const roleField = fieldOf(message, "role", field.path);
  const role = ROLES.get(requireText(roleField));
  if (role === undefined) throw invalid(roleField.path, `must be ${[...ROLES.keys()].join(", ")}`);
  const parts = partsOf(role, message, field.path, maxParts);
  if (parts.length > maxParts) throw invalid(field.path, `may have ${maxParts} parts`);
  return create(MessageSchema, { role, parts, senderId: senderOf(message, field.path) });
}

function partsOf(role: Role, message: JsonObject, at: string, maxParts: number): Part[] {
  const content = fieldOf(message, "content", at);
  switch (role) {
    case Role.ASSISTANT:
      return assistantParts(message, at, maxParts);
    case Role.TOOL:
      return [toolResult(message, at, maxParts)];
    default:
      return parseContent(content, kindsOf(role), maxParts);
  }
}

function kindsOf(role: Role): PartKinds {
  return role === Role.USER ? USER_PARTS : TEXT_PARTS;
}

function assistantParts(message: JsonObject, at: string, maxParts: number): Part[] {
  const content = fieldOf(message, "content", at);
  const refusal = fieldOf(message, "refusal", at);
  const functionCall = fieldOf(message, "function_call", at);
  if (!isAbsent(functionCall)) throw invalid(functionCall.path, "is not taken; use tool_calls");
  const parts = [
    ...(isAbsent(content) ? [] : parseContent(content, ASSISTANT_PARTS, maxParts)),
    ...(isAbsent(refusal) ? [] : [text(requireText(refusal))]),
    ...toolCalls(fieldOf(message, "tool_calls", at)),
  ];
  if (parts.length === 0) throw invalid(content.path, "is missing, and there are no tool_calls");
  return parts;
}

function toolCalls(calls: Field): Part[] {
  if (isAbsent(calls)) return [];
  return requireList(calls).map((item, index) => toolCall(itemOf(calls, index, item)));
}

function toolCall(field: Field): Part {
  const call = requireObject(field);
  const type = fieldOf(call, "type", field.path);
  if (!isAbsent(type) && type.value !== "function") throw invalid(type.path, "must be function");
  const callee = fieldOf(call, "function", field.path);
  const { path } = callee;
  return create(PartSchema, {
    content: {
      case: "toolCall",
      value: {
        callId: requireName(fieldOf(call, "id", field.path)),
        name: requireName(fieldOf(requireObject(callee), "name", path)),
        argumentsJson: requireText(fieldOf(requireObject(callee), "arguments", path)),
      },
    },
  });
}

function toolResult(message: JsonObject, at: string, maxParts: number): Part {
  const callId = requireName(fieldOf(message, "tool_call_id", at));
  const parts = parseContent(fieldOf(message, "content", at), TEXT_PARTS, maxParts);
  const texts = parts.map(({ content }) => (content.case === "text" ? content.value : ""));
  return create(PartSchema, {
    content: { case: "toolResult", value: { callId, text: texts.join("") } },
  });
}

function senderOf(message: JsonObject, at: string): string {
  const name = fieldOf(message, "name", at);
  if (isAbsent(name)) return "";
  const sender = requireText(name);
  if (Buffer.byteLength(sender) <= MAX_SENDER_BYTES) return sender;
  throw invalid(name.path, `may have ${MAX_SENDER_BYTES} bytes`);
}
