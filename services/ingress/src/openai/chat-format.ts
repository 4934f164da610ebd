import type { AnswerFormat } from "./answer-format.ts";
import { Chunks } from "./chunks.ts";
import { completion, completionHead } from "./completion.ts";
import type { ErrorScene } from "./errors.ts";
import type { ChatRequest } from "./parse-chat-request.ts";

/** Writes the answer of a turn as a chat completion. */
export function chatFormat(
  { model, includeUsage }: Pick<ChatRequest, "model" | "includeUsage">,
  turn: { readonly turnId: string; readonly now: Date },
  scene: ErrorScene,
): AnswerFormat {
  const head = completionHead(turn.turnId, model, turn.now);
  return {
    whole: (ended, receipt) => completion(head, ended, receipt),
    stream: () => new Chunks(head, includeUsage, scene),
  };
}
