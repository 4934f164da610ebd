import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { ToolCallSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { ChatCompletionChunk } from "openai/resources/chat/completions";

import type { ModelEvent } from "./model.ts";
import { ModelError } from "./model-error.ts";

interface PartialCall {
  id: string;
  name: string;
  argumentsJson: string;
}

/** Reads the chunks of one completion: text as it comes, tool calls once they are whole. */
export class ChunkReader {
  readonly #calls: PartialCall[] = [];
  /** By their index, as far as they have come. */
  readonly #open = new Map<number, PartialCall>();
  #finishReason: string | undefined;
  #model: string;
  #usage = { input: 0, output: 0 };

  constructor(model: string) {
    this.#model = model;
  }

  /** Takes a chunk and returns the text that it brought. */
  text(chunk: ChatCompletionChunk): string {
    this.#model = chunk.model || this.#model;
    if (chunk.usage) {
      this.#usage = { input: chunk.usage.prompt_tokens, output: chunk.usage.completion_tokens };
    }
    const choice = chunk.choices[0];
    if (choice === undefined) return "";
    this.#finishReason = choice.finish_reason ?? this.#finishReason;
    // Not every endpoint sends one with each chunk, whatever the package's type says.
    const { delta } = choice as { readonly delta?: ChatCompletionChunk.Choice.Delta };
    for (const call of delta?.tool_calls ?? []) this.#addCall(call);
    return delta?.content ?? "";
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
    const call = this.#callOf(delta.index, delta.id ?? "");
    call.name += delta.function?.name ?? "";
    call.argumentsJson += delta.function?.arguments ?? "";
  }

  /** Some endpoints give no ids, and some all calls of a message one index; another id is another call. */
  #callOf(index: number, id: string): PartialCall {
    const open = this.#open.get(index);
    if (open !== undefined && (id === "" || open.id === "" || open.id === id)) {
      open.id ||= id;
      return open;
    }
    const call = { id, name: "", argumentsJson: "" };
    this.#calls.push(call);
    this.#open.set(index, call);
    return call;
  }
}
