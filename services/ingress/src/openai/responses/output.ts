import type { ToolCall } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { TurnEnded } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { replyText, replyToolCalls } from "../reply.ts";

/** An item as clients are told it. */
export interface OutputItem {
  readonly type: string;
  readonly id: string;
}

type ItemStatus = "in_progress" | "completed" | "incomplete";

/** Ids of items come from the turn's too, so they are the same in a stream and in what is fetched. */
export function messageItem(turnId: string, text: string | undefined, status: ItemStatus) {
  const content = text === undefined ? [] : [textPart(text)];
  return { type: "message", id: messageId(turnId), status, role: "assistant", content } as const;
}

export function messageId(turnId: string): string {
  return `msg_${turnId}`;
}

export function textPart(text: string): object {
  return { type: "output_text", text, annotations: [], logprobs: [] };
}

export function callId(turnId: string, index: number): string {
  return `fc_${turnId}_${index}`;
}

export function callItem(id: string, call: ToolCall, status: ItemStatus) {
  const { callId: call_id, name, argumentsJson } = call;
  const args = status === "in_progress" ? "" : argumentsJson;
  return { type: "function_call", id, call_id, name, arguments: args, status } as const;
}

/** What an answer consists of: what was said, then the calls of the client's tools. */
export function outputOf(turnId: string, { reply, finishReason }: AnswerPart): OutputItem[] {
  const calls = replyToolCalls(reply);
  const text = replyText(reply);
  const status = incompleteReason(finishReason) === undefined ? "completed" : "incomplete";
  const said = text === "" && calls.length > 0 ? [] : [messageItem(turnId, text, status)];
  const called = calls.map((call, index) => callItem(callId(turnId, index), call, "completed"));
  return reply === undefined ? [] : [...said, ...called];
}

type AnswerPart = Pick<TurnEnded, "reply" | "finishReason">;

/** Why an answer is not whole; undefined: it is. */
export function incompleteReason(finishReason: string): string | undefined {
  if (finishReason === "length") return "max_output_tokens";
  return finishReason === "content_filter" ? "content_filter" : undefined;
}
