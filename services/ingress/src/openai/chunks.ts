import type { ToolCall } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { TurnEnded } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { CompletionHead } from "./completion.ts";
import type { Receipt } from "./receipt.ts";
import { finishReason, replyText, replyToolCalls, toolCallJson, usageJson } from "./reply.ts";

/**
 * The chunks of one streamed completion: role first, then what is said, then the reason of the end
 * with the receipt, then the usage if it was asked for. Knows what was sent, so that an answer whose
 * deltas were not seen here (a turn that was joined late) is sent from its reply.
 * @see https://platform.openai.com/docs/api-reference/chat/streaming
 */
export class Chunks {
  readonly #head: CompletionHead;
  readonly #includeUsage: boolean;
  readonly #callIds: string[] = [];
  #sentText = "";
  #hasRole = false;

  constructor(head: CompletionHead, includeUsage: boolean) {
    this.#head = head;
    this.#includeUsage = includeUsage;
  }

  /** True if something of the answer was sent, which cannot be taken back. */
  get hasSaid(): boolean {
    return this.#sentText !== "" || this.#callIds.length > 0;
  }

  text(delta: string): object[] {
    if (delta === "") return [];
    this.#sentText += delta;
    return [...this.#role(), this.#chunk({ content: delta })];
  }

  toolCall(call: ToolCall): object[] {
    const index = this.#callIds.push(call.callId) - 1;
    return [...this.#role(), this.#chunk({ tool_calls: [{ index, ...toolCallJson(call) }] })];
  }

  /** The last chunks of a turn that has an answer. */
  end(ended: TurnEnded, lanekeeper: Receipt): object[] {
    const rest = this.text(this.#unsent(replyText(ended.reply)));
    const calls = replyToolCalls(ended.reply)
      .filter(({ callId }) => !this.#callIds.includes(callId))
      .flatMap((call) => this.toolCall(call));
    const last = { ...this.#chunk({}, finishReason(ended)), lanekeeper };
    return [...this.#role(), ...rest, ...calls, last, ...this.#usage(ended)];
  }

  /** The text of a reply that is another than the deltas said cannot be told any more. */
  #unsent(reply: string): string {
    return reply.startsWith(this.#sentText) ? reply.slice(this.#sentText.length) : "";
  }

  #role(): object[] {
    if (this.#hasRole) return [];
    this.#hasRole = true;
    return [this.#chunk({ role: "assistant", content: "" })];
  }

  #usage(ended: TurnEnded): object[] {
    if (!this.#includeUsage) return [];
    return [{ ...this.#chunk({}), choices: [], usage: usageJson(ended.usage) }];
  }

  #chunk(delta: object, finish: string | null = null): object {
    return {
      ...this.#head,
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      ...(this.#includeUsage ? { usage: null } : {}),
    };
  }
}
