import {
  type FilePart,
  type Message,
  type Part,
  Role,
  type ToolCall,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { invalid } from "@lanekeeper/rpc";
import { LIMITS } from "../limits.ts";
import { parseEnum, parseText, refuseLarger } from "./parse-field.ts";

/** All messages of a request, each within its bounds. */
export function parseMessages(field: string, messages: readonly Message[]): readonly Message[] {
  if (messages.length === 0) throw invalid(field, "is required");
  if (messages.length > LIMITS.messagesPerRequest) {
    throw invalid(field, `has ${messages.length} messages of at most ${LIMITS.messagesPerRequest}`);
  }
  for (const [index, message] of messages.entries()) checkMessage(`${field}[${index}]`, message);
  return messages;
}

function checkMessage(field: string, message: Message): void {
  parseEnum(`${field}.role`, message.role, Role);
  parseText(`${field}.sender_id`, message.senderId, LIMITS.senderIdBytes);
  const { length } = message.parts;
  if (length === 0) throw invalid(`${field}.parts`, "is required");
  if (length > LIMITS.partsPerMessage) {
    throw invalid(`${field}.parts`, `has ${length} parts of at most ${LIMITS.partsPerMessage}`);
  }
  for (const [index, part] of message.parts.entries()) {
    checkRole(`${field}.parts[${index}]`, message.role, part);
    checkPart(`${field}.parts[${index}]`, part);
  }
}

/** What a provider would not be shown where it stands, or would refuse the whole conversation for. */
function checkRole(field: string, role: Role, { content }: Part): void {
  if (content.case === "toolCall" && role !== Role.ASSISTANT) {
    throw invalid(field, "is a tool_call, which stands in messages of ROLE_ASSISTANT");
  }
  if (role === Role.TOOL && content.case !== "toolResult") {
    throw invalid(field, "is no tool_result, and a message of ROLE_TOOL holds these alone");
  }
  if (role !== Role.TOOL && content.case === "toolResult") {
    throw invalid(field, "is a tool_result, which stands in messages of ROLE_TOOL");
  }
}

function checkPart(field: string, { content }: Part): void {
  switch (content.case) {
    case "text":
      return;
    case "file":
      return checkFile(`${field}.file`, content.value);
    case "toolCall":
      return checkCall(`${field}.tool_call`, content.value);
    case "toolResult":
      if (content.value.callId === "") throw invalid(`${field}.tool_result.call_id`, "is required");
      return;
    case undefined:
      throw invalid(field, "has no content");
  }
}

function checkCall(field: string, call: ToolCall): void {
  if (call.callId === "") throw invalid(`${field}.call_id`, "is required");
  if (call.name === "") throw invalid(`${field}.name`, "is required");
}

function checkFile(field: string, { source }: FilePart): void {
  switch (source.case) {
    case "uri":
      if (!/^(https?|data):/i.test(source.value)) {
        throw invalid(`${field}.uri`, "is no http, https or data URI");
      }
      return;
    case "data":
      return refuseLarger(`${field}.data`, source.value.length, LIMITS.fileBytes);
    case undefined:
      throw invalid(field, "has no source");
  }
}
