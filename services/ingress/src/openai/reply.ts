import type { Message, ToolCall } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { TurnEnded } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { Usage } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";

/** A tool call in OpenAI's shape. */
export interface ToolCallJson {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

export interface UsageJson {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

export function toolCallJson(call: ToolCall): ToolCallJson {
  const { callId, name, argumentsJson } = call;
  return { id: callId, type: "function", function: { name, arguments: argumentsJson } };
}

export function usageJson(usage: Usage | undefined): UsageJson {
  const prompt = Number(usage?.inputTokens ?? 0n);
  const completion = Number(usage?.outputTokens ?? 0n);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
  };
}

/** The text of an answer. */
export function replyText(reply: Message | undefined): string {
  const parts = reply?.parts ?? [];
  return parts.map(({ content }) => (content.case === "text" ? content.value : "")).join("");
}

/** The calls of an answer for the client's own tools. */
export function replyToolCalls(reply: Message | undefined): ToolCall[] {
  const parts = reply?.parts ?? [];
  return parts.flatMap(({ content }) => (content.case === "toolCall" ? [content.value] : []));
}

export function finishReason(ended: TurnEnded): string {
  if (ended.finishReason !== "") return ended.finishReason;
  return replyToolCalls(ended.reply).length > 0 ? "tool_calls" : "stop";
}
