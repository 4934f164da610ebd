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
  readonly #calls = new Map<number, PartialCall>();
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
    for (const call of choice.delta.tool_calls ?? []) this.#addCall(call);
    return choice.delta.content ?? "";
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
    for (const call of this.#calls.values()) {
      const { id, name, argumentsJson } = call;
      yield {
        type: "tool_call",
        call: create(ToolCallSchema, { callId: id, name, argumentsJson }),
      };
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
    const call = this.#calls.get(delta.index) ?? { id: "", name: "", argumentsJson: "" };
    call.id = delta.id ?? call.id;
    call.name += delta.function?.name ?? "";
    call.argumentsJson += delta.function?.arguments ?? "";
    this.#calls.set(delta.index, call);
  }
}
