import { create } from "@bufbuild/protobuf";
import { invalid } from "@lanekeeper/rpc";
import {
  type Message,
  MessageSchema,
  type Part,
  PartSchema,
  Role,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { JsonObject } from "../../http/json-body.ts";
import {
  type Field,
  fieldOf,
  isAbsent,
  itemOf,
  requireList,
  requireName,
  requireObject,
  requireText,
} from "../field.ts";
import { text } from "../parse-content.ts";
import type { MessageBounds } from "../parse-message.ts";
import { parseInputContent, parseOutputText } from "./parse-input-content.ts";

const ROLES: ReadonlyMap<string, Role> = new Map([
  ["user", Role.USER],
  ["assistant", Role.ASSISTANT],
  ["system", Role.SYSTEM],
  ["developer", Role.SYSTEM],
]);

/**
 * The input of a response as messages: a text, or a list of items.
 * @see https://platform.openai.com/docs/api-reference/responses/create
 * @throws INVALID_REQUEST naming the path.
 */
export function parseInput(input: Field, bounds: MessageBounds): Message[] {
  if (typeof input.value === "string") return [message(Role.USER, [text(input.value)])];
  if (!Array.isArray(input.value)) throw invalid(input.path, "must be a string or a list of items");
  const items = requireList(input);
  const { maxShownMessages: most } = bounds;
  if (items.length > most) {
    throw invalid(input.path, `may have ${most} items, got ${items.length}; leave out old ones`);
  }
  const messages: Message[] = [];
  let follows = false;
  for (const [index, item] of items.entries()) {
    const found = parseItem(itemOf(input, index, item), bounds.maxPartsPerMessage);
    if (found === undefined) continue;
    const { parts, role, isCall } = found;
    const last = messages.at(-1);
    // The calls of one answer are one message, together with what was said before them.
    if (isCall && follows && last !== undefined) last.parts.push(...parts);
    else messages.push(message(role, parts));
    follows = role === Role.ASSISTANT;
  }
  if (messages.length === 0) throw invalid(input.path, "must have at least one item");
  return messages;
}

interface Item {
  readonly role: Role;
  readonly parts: Part[];
  readonly isCall?: boolean;
}

/** Undefined for what only the model's provider would understand, or is named and not known: it is left out. */
function parseItem(field: Field, maxParts: number): Item | undefined {
  const item = requireObject(field);
  const type = fieldOf(item, "type", field.path);
  switch (isAbsent(type) ? "message" : requireText(type)) {
    case "message":
      return messageItem(item, field.path, maxParts);
    case "function_call":
      return { role: Role.ASSISTANT, parts: [functionCall(item, field.path)], isCall: true };
    case "function_call_output":
      return { role: Role.TOOL, parts: [functionOutput(item, field.path, maxParts)] };
    case "reasoning":
    // Of those that are known the items stand here instead.
    case "item_reference":
      return undefined;
    default:
      throw invalid(
        type.path,
        "must be message, function_call, function_call_output, reasoning or item_reference",
      );
  }
}

function messageItem(item: JsonObject, at: string, maxParts: number): Item {
  const roleField = fieldOf(item, "role", at);
  const role = ROLES.get(requireText(roleField));
  if (role === undefined) throw invalid(roleField.path, `must be ${[...ROLES.keys()].join(", ")}`);
  return { role, parts: parseInputContent(fieldOf(item, "content", at), role, maxParts) };
}

function functionCall(item: JsonObject, at: string): Part {
  return create(PartSchema, {
    content: {
      case: "toolCall",
      value: {
        callId: requireName(fieldOf(item, "call_id", at)),
        name: requireName(fieldOf(item, "name", at)),
        argumentsJson: requireText(fieldOf(item, "arguments", at)),
      },
    },
  });
}

function functionOutput(item: JsonObject, at: string, maxParts: number): Part {
  const callId = requireName(fieldOf(item, "call_id", at));
  const output = parseOutputText(fieldOf(item, "output", at), maxParts);
  return create(PartSchema, { content: { case: "toolResult", value: { callId, text: output } } });
}

function message(role: Role, parts: Part[]): Message {
  return create(MessageSchema, { role, parts });
}
