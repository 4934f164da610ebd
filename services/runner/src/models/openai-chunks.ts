import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { ToolCallSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { ChatCompletionChunk } from "openai/resources/chat/completions";

import { LIMITS } from "../limits.ts";
import type { ModelEvent } from "./model.ts";
import { ModelError } from "./model-error.ts";

/** What a call counts for beside its texts: so many without any are too many as well. */
const CALL_BYTES = 64;

interface PartialCall {
  id: string;
  name: string;
  argumentsJson: string;
}

/**
 * Reads the chunks of one completion: text as it comes, tool calls once they are whole. The package passes on
 * whatever JSON an endpoint sends; of it is taken what has the type that it should have.
 */
export class ChunkReader {
  readonly #calls: PartialCall[] = [];
  /** By their index, as far as they have come. */
  readonly #open = new Map<number, PartialCall>();
  #finishReason: string | undefined;
  #model: string;
  #usage = { input: 0, output: 0 };
  #callBytes = 0;

  constructor(model: string) {
    this.#model = model;
  }

  /** Takes a chunk and returns the text that it brought. @throws ModelError for calls without end */
  text(chunk: ChatCompletionChunk): string {
    this.#model = textOf(chunk.model) || this.#model;
    if (chunk.usage) {
      this.#usage = { input: chunk.usage.prompt_tokens, output: chunk.usage.completion_tokens };
    }
    const choice = firstChoice(chunk);
    if (choice === undefined) return "";
    if (typeof choice.finish_reason === "string") this.#finishReason = choice.finish_reason;
    // Not every endpoint sends one with each chunk, whatever the package's type says.
    const { delta } = choice as { readonly delta?: ChatCompletionChunk.Choice.Delta };
    for (const call of callsOf(delta?.tool_calls)) this.#addCall(call);
    // A model that will not do what a schema asks of it says so beside the content.
    return textOf(delta?.content) + textOf(delta?.refusal);
  }

  /**
   * What is left to tell when the stream is over.
   * @throws ModelError MODEL_STREAM_CUT where no finish reason came: a cut connection can look like
   * a clean end.
   */
  *end(): Generator<ModelEvent> {
    if (this.#finishReason === undefined) {
      throw new ModelError("MODEL_STREAM_CUT", "the model's stream ended without a finish reason");
    }
    for (const { id, name, argumentsJson } of this.#calls) {
      // Its result is known by its id; and endpoints that read the arguments back want JSON.
      const callId = id === "" ? `call_${randomUUID()}` : id;
      const call = { callId, name, argumentsJson: argumentsJson || "{}" };
      yield { type: "tool_call", call: create(ToolCallSchema, call) };
    }
    yield {
      type: "end",
      finishReason: this.#finishReason,
      inputTokens: this.#usage.input,
      outputTokens: this.#usage.output,
      model: this.#model,
    };
  }

  #addCall(delta: ChatCompletionChunk.Choice.Delta.ToolCall): void {
    const call = this.#callOf(delta.index, textOf(delta.id));
    const [name, argumentsJson] = [textOf(delta.function?.name), textOf(delta.function?.arguments)];
    call.name += name;
    call.argumentsJson += argumentsJson;
    this.#callBytes += name.length + argumentsJson.length;
    if (this.#callBytes <= LIMITS.replyBytes) return;
    const message = `the calls of the model's answer have more than ${LIMITS.replyBytes} bytes`;
    throw new ModelError("MODEL_FAILED", message);
  }

  /** Some endpoints give no ids, and some all calls of a message one index; another id is another call. */
  #callOf(index: number, id: string): PartialCall {
    const open = this.#open.get(index);
    if (open !== undefined && (id === "" || open.id === "" || open.id === id)) {
      open.id ||= id;
      return open;
    }
    const call = { id, name: "", argumentsJson: "" };
    this.#callBytes += CALL_BYTES + id.length;
    this.#calls.push(call);
    this.#open.set(index, call);
    return call;
  }
}

/** Some endpoints leave the list out where it would be empty, as beside the usage. */
function firstChoice(chunk: ChatCompletionChunk): ChatCompletionChunk.Choice | undefined {
  return (chunk as Partial<ChatCompletionChunk>).choices?.[0];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function callsOf(value: unknown): ChatCompletionChunk.Choice.Delta.ToolCall[] {
  return Array.isArray(value)
    ? value.filter((call) => typeof call === "object" && call !== null)
    : [];
}
