import type { Message, ToolCall } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";

/** What a model is asked. */
export interface ModelRequest {
  /** The whole context, system prompt first. */
  readonly messages: readonly Message[];
  /** The agent's own tools; a client's tools stand in `parameters`. */
  readonly tools: readonly ToolSpec[];
  /** Passed on as it came: sampling, a client's tools, response_format, as OpenAI names them. */
  readonly parameters: { readonly [name: string]: unknown };
  /** Ends the call: the turn was cancelled, rotated away, or the process drains. */
  readonly signal: AbortSignal;
}

/** A tool as a model is told of it. */
export interface ToolSpec {
  readonly name: string;
  readonly description: string;
  /** JSON schema of the arguments. */
  readonly parameters: { readonly [name: string]: unknown };
}

/** What a model says; exactly one `end`, last. */
export type ModelEvent =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "tool_call"; readonly call: ToolCall }
  | {
      readonly type: "end";
      /** As OpenAI names it: "stop", "length", "tool_calls", "content_filter". */
      readonly finishReason: string;
      readonly inputTokens: number;
      readonly outputTokens: number;
      /** The model's name as it gave it. */
      readonly model: string;
    };

/** Something that answers. */
export interface Model {
  /** The name that receipts and `GET /v1/models` show. */
  readonly name: string;
  /**
   * Asks once; never repeats itself after the first event.
   * @throws ModelError with MODEL_FAILED, MODEL_STREAM_CUT or MODEL_TIMEOUT.
   */
  stream(request: ModelRequest): AsyncIterable<ModelEvent>;
}
