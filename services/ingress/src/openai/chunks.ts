import type { ToolCall } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type {
  TurnEnded,
  TurnQueued,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { LanekeeperError } from "@lanekeeper/rpc";
import type { AnswerStream, StreamData } from "./answer-format.ts";
import type { CompletionHead } from "./completion.ts";
import { type ErrorScene, errorBody } from "./errors.ts";
import { queuedJson } from "./queued.ts";
import type { Receipt } from "./receipt.ts";
import { finishReason, replyText, replyToolCalls, toolCallJson, usageJson } from "./reply.ts";

/**
 * The chunks of one streamed completion: role first, then what is said, then the reason of the end
 * with the receipt, then the usage if it was asked for.
 * @see https://platform.openai.com/docs/api-reference/chat/streaming
 */
export class Chunks implements AnswerStream {
  readonly isNamed = false;
  readonly #head: CompletionHead;
  readonly #includeUsage: boolean;
  readonly #scene: ErrorScene;
  readonly #callIds: string[] = [];
  #sentText = "";
  #hasRole = false;

  constructor(head: CompletionHead, includeUsage: boolean, scene: ErrorScene) {
    this.#head = head;
    this.#includeUsage = includeUsage;
    this.#scene = scene;
  }

  get hasSaid(): boolean {
    return this.#sentText !== "" || this.#callIds.length > 0;
  }

  open(): StreamData[] {
    return [];
  }

  /** Without choices, as the chunk of the usage is: clients read past it. */
  queued(queued: TurnQueued): StreamData[] {
    const lanekeeper = { queued: queuedJson(queued) };
    return [this.#chunk({}, null, { choices: [], lanekeeper })];
  }

  begun(): StreamData[] {
    return [];
  }

  text(delta: string): StreamData[] {
    if (delta === "") return [];
    this.#sentText += delta;
    return [...this.#role(), this.#chunk({ content: delta })];
  }

  toolCall(call: ToolCall): StreamData[] {
    const index = this.#callIds.push(call.callId) - 1;
    return [...this.#role(), this.#chunk({ tool_calls: [{ index, ...toolCallJson(call) }] })];
  }

  end(ended: TurnEnded, lanekeeper: Receipt): StreamData[] {
    const rest = this.text(this.#unsent(replyText(ended.reply)));
    const calls = replyToolCalls(ended.reply)
      .filter(({ callId }) => !this.#callIds.includes(callId))
      .flatMap((call) => this.toolCall(call));
    const last = this.#chunk({}, finishReason(ended), { lanekeeper });
    return [...this.#role(), ...rest, ...calls, last, ...this.#usage(ended), "[DONE]"];
  }

  failed(error: LanekeeperError): StreamData[] {
    return this.broken(error);
  }

  broken(error: LanekeeperError): StreamData[] {
    return [errorBody(error, this.#scene)];
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
    return [this.#chunk({}, null, { choices: [], usage: usageJson(ended.usage) })];
  }

  #chunk(delta: object, finish: string | null = null, more: object = {}): object {
    return {
      id: this.#head.id,
      created: this.#head.created,
      model: this.#head.model,
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      ...(this.#includeUsage ? { usage: null } : {}),
      ...more,
    };
  }
}
