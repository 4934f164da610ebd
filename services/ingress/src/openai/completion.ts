import type { TurnEnded } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { Receipt } from "./receipt.ts";
import { finishReason, replyText, replyToolCalls, toolCallJson, usageJson } from "./reply.ts";

/** What is the same in a completion and in each of its chunks. */
export interface CompletionHead {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  /** As the client wrote it. */
  readonly model: string;
}

export function completionHead(turnId: string, model: string, now: Date): CompletionHead {
  return { id: `chatcmpl-${turnId}`, created: Math.floor(now.getTime() / 1_000), model };
}

/** @see https://platform.openai.com/docs/api-reference/chat/object */
export function completion(head: CompletionHead, ended: TurnEnded, lanekeeper: Receipt): object {
  const text = replyText(ended.reply);
  const calls = replyToolCalls(ended.reply).map(toolCallJson);
  const message = {
    role: "assistant",
    content: text === "" && calls.length > 0 ? null : text,
    refusal: null,
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
  return {
    id: head.id,
    created: head.created,
    model: head.model,
    object: "chat.completion",
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason(ended) }],
    usage: usageJson(ended.usage),
    lanekeeper,
  };
}
