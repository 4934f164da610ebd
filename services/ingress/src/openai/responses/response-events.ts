import type { ToolCall } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type {
  TurnEnded,
  TurnQueued,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { LanekeeperError } from "@lanekeeper/rpc";
import type { AnswerStream, StreamData } from "../answer-format.ts";
import { type ErrorScene, errorBody } from "../errors.ts";
import { queuedJson } from "../queued.ts";
import type { Receipt } from "../receipt.ts";
import { replyText, replyToolCalls } from "../reply.ts";
import { callId, callItem, incompleteReason, messageId, messageItem, textPart } from "./output.ts";
import {
  answeredResponse,
  failedResponse,
  openResponse,
  type ResponseHead,
  type ResponseJson,
} from "./response-json.ts";

/** What a stream of events needs besides its head. */
export interface ResponseScene extends ErrorScene {
  /** The turn was accepted behind others. */
  readonly isQueued: boolean;
  /** What is known of turn and session at acceptance. */
  readonly accepted: object;
  nowS(): number;
}

/**
 * The events of one streamed response, in OpenAI's order: created, queued while it waits, in progress,
 * then each item from `added` to `done`, then how it ended. Calls of the client's tools are told with
 * the end alone, once the run that made them is known to be the turn's.
 * @see https://platform.openai.com/docs/api-reference/responses-streaming
 */
export class ResponseEvents implements AnswerStream {
  readonly isNamed = true;
  readonly #head: ResponseHead;
  readonly #scene: ResponseScene;
  #sequenceNumber = 0;
  #isQueued: boolean;
  #text = "";
  #hasMessage = false;

  constructor(head: ResponseHead, scene: ResponseScene) {
    this.#head = head;
    this.#scene = scene;
    this.#isQueued = scene.isQueued;
  }

  get hasSaid(): boolean {
    return this.#hasMessage;
  }

  open(): StreamData[] {
    const status = this.#isQueued ? "queued" : "in_progress";
    const response = openResponse(this.#head, status, this.#scene.accepted);
    return [this.#state("response.created", response), this.#state(`response.${status}`, response)];
  }

  queued(queued: TurnQueued): StreamData[] {
    const lanekeeper = { ...this.#scene.accepted, queued: queuedJson(queued) };
    return [this.#state("response.queued", openResponse(this.#head, "queued", lanekeeper))];
  }

  begun(): StreamData[] {
    if (!this.#isQueued) return [];
    this.#isQueued = false;
    const response = openResponse(this.#head, "in_progress", this.#scene.accepted);
    return [this.#state("response.in_progress", response)];
  }

  text(delta: string): StreamData[] {
    if (delta === "") return [];
    const added = this.#message();
    this.#text += delta;
    return [...added, this.#ofText("response.output_text.delta", { delta, logprobs: [] })];
  }

  toolCall(): StreamData[] {
    return [];
  }

  end(ended: TurnEnded, receipt: Receipt): StreamData[] {
    const reply = replyText(ended.reply);
    const calls = replyToolCalls(ended.reply);
    const rest = reply.startsWith(this.#text) ? reply.slice(this.#text.length) : "";
    const isCut = incompleteReason(ended.finishReason) !== undefined;
    const response = answeredResponse(this.#head, ended, receipt, this.#scene.nowS());
    return [
      ...this.begun(),
      ...this.text(rest),
      ...(this.#hasMessage || calls.length === 0 ? this.#messageDone(isCut) : []),
      ...calls.flatMap((call, index) => this.#call(call, index)),
      this.#state(isCut ? "response.incomplete" : "response.completed", response),
    ];
  }

  failed(error: LanekeeperError, ended: TurnEnded, receipt: Receipt): StreamData[] {
    const response = failedResponse(this.#head, error, ended, receipt);
    return [this.#state("response.failed", response)];
  }

  /** OpenAI documents the fields beside `type`, and sends them as `error`, which its clients throw. */
  broken(error: LanekeeperError): StreamData[] {
    const body = errorBody(error, this.#scene);
    const { code, message, param } = body.error;
    return [this.#event("error", { code, message, param, ...body })];
  }

  #message(): StreamData[] {
    if (this.#hasMessage) return [];
    this.#hasMessage = true;
    const item = messageItem(this.#head.turnId, undefined, "in_progress");
    return [
      this.#event("response.output_item.added", { output_index: 0, item }),
      this.#ofText("response.content_part.added", { part: textPart("") }),
    ];
  }

  #messageDone(isCut: boolean): StreamData[] {
    const added = this.#message();
    const text = this.#text;
    const item = messageItem(this.#head.turnId, text, isCut ? "incomplete" : "completed");
    return [
      ...added,
      this.#ofText("response.output_text.done", { text, logprobs: [] }),
      this.#ofText("response.content_part.done", { part: textPart(text) }),
      this.#event("response.output_item.done", { output_index: 0, item }),
    ];
  }

  /** A model's arguments are told once they are whole, so they are one delta. */
  #call(call: ToolCall, index: number): StreamData[] {
    const id = callId(this.#head.turnId, index);
    const place = { item_id: id, output_index: index + (this.#hasMessage ? 1 : 0) };
    const { output_index } = place;
    const { name, argumentsJson } = call;
    const added = { output_index, item: callItem(id, call, "in_progress") };
    const done = { output_index, item: callItem(id, call, "completed") };
    const args = "response.function_call_arguments";
    return [
      this.#event("response.output_item.added", added),
      this.#event(`${args}.delta`, { ...place, delta: argumentsJson }),
      this.#event(`${args}.done`, { ...place, name, arguments: argumentsJson }),
      this.#event("response.output_item.done", done),
    ];
  }

  #state(type: string, response: ResponseJson): StreamData {
    return this.#event(type, { response });
  }

  #ofText(type: string, fields: object): StreamData {
    return this.#event(type, {
      item_id: messageId(this.#head.turnId),
      output_index: 0,
      content_index: 0,
      ...fields,
    });
  }

  #event(type: string, fields: object): StreamData {
    const sequence_number = this.#sequenceNumber++;
    return { type, sequence_number, ...fields };
  }
}
