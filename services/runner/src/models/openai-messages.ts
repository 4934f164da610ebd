import {
  type FilePart,
  type Message,
  type Part,
  Role,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type {
  ChatCompletionContentPart,
  ChatCompletionMessageParam,
  ChatCompletionMessageToolCall,
} from "openai/resources/chat/completions";

import { messageText } from "./message-text.ts";

/** Writes a context as OpenAI's chat completions expect it. One of our messages may become several. */
export function openAiMessages(messages: readonly Message[]): ChatCompletionMessageParam[] {
  return messages.flatMap(openAiMessage);
}

function openAiMessage(message: Message): ChatCompletionMessageParam[] {
  switch (message.role) {
    case Role.SYSTEM:
      return [{ role: "system", content: messageText(message) }];
    case Role.ASSISTANT:
      return assistantMessages(message);
    case Role.TOOL:
      return toolMessages(message);
    default:
      return [{ role: "user", content: userContent(message), ...nameOf(message) }];
  }
}

/** None where it says nothing: a model may end without a word, and some endpoints refuse to be shown that. */
function assistantMessages(message: Message): ChatCompletionMessageParam[] {
  const calls = message.parts.flatMap(toolCallOf);
  const text = messageText(message);
  if (calls.length > 0) return [{ role: "assistant", content: text || null, tool_calls: calls }];
  return text === "" ? [] : [{ role: "assistant", content: text }];
}

function toolCallOf({ content }: Part): ChatCompletionMessageToolCall[] {
  if (content.case !== "toolCall") return [];
  const { callId, name, argumentsJson } = content.value;
  return [{ id: callId, type: "function", function: { name, arguments: argumentsJson } }];
}

function toolMessages(message: Message): ChatCompletionMessageParam[] {
  return message.parts.flatMap(({ content }) =>
    content.case === "toolResult"
      ? [{ role: "tool" as const, tool_call_id: content.value.callId, content: content.value.text }]
      : [],
  );
}

function userContent(message: Message): string | ChatCompletionContentPart[] {
  const onlyText = message.parts.every(({ content }) => content.case === "text");
  return onlyText ? messageText(message) : message.parts.flatMap(userPart);
}

function userPart({ content }: Part): ChatCompletionContentPart[] {
  if (content.case === "text") return [{ type: "text", text: content.value }];
  if (content.case === "file") return [filePart(content.value)];
  return [];
}

/** The formats of `input_audio`, by media type; endpoints refuse sound that is told as a file. */
const AUDIO_FORMATS: ReadonlyMap<string, "wav" | "mp3"> = new Map([
  ["audio/wav", "wav"],
  ["audio/mpeg", "mp3"],
]);

function filePart(file: FilePart): ChatCompletionContentPart {
  const url = fileUrl(file);
  const format = AUDIO_FORMATS.get(file.mediaType);
  const [, data] = /^data:[^,]*;base64,(.*)$/s.exec(url) ?? [];
  if (format !== undefined && data !== undefined) {
    return { type: "input_audio", input_audio: { data, format } };
  }
  if (!file.mediaType.startsWith("image/") && url.startsWith("data:")) {
    return { type: "file", file: { file_data: url, filename: file.fileName || "file" } };
  }
  return { type: "image_url", image_url: { url } };
}

function fileUrl(file: FilePart): string {
  if (file.source.case === "uri") return file.source.value;
  const data = Buffer.from(file.source.value ?? new Uint8Array()).toString("base64");
  return `data:${file.mediaType || "application/octet-stream"};base64,${data}`;
}

/** OpenAI takes only `[a-zA-Z0-9_-]{1,64}` as a name; other senders stay unnamed. */
function nameOf(message: Message): { name?: string } {
  return /^[a-zA-Z0-9_-]{1,64}$/.test(message.senderId) ? { name: message.senderId } : {};
}
