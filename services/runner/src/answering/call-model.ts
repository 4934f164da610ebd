import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import {
  type Message,
  MessageSchema,
  type Part,
  PartSchema,
  Role,
  type ToolCall,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { clientToolNames } from "../domain/client-tools.ts";
import { LIMITS } from "../limits.ts";
import { keptEvent } from "../models/kept-event.ts";
import { ModelError } from "../models/model-error.ts";
import type { AnswerJob } from "./answer-job.ts";

/** What the model said when it was asked once. */
export interface ModelReply {
  /** Its text and its calls, as one message of the transcript. */
  readonly message: Message;
  readonly calls: readonly ToolCall[];
  readonly finishReason: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly model: string;
}

/**
 * Asks the model once; what it says reaches those attached as it comes.
 * @param before the bytes that the turn's answer has already; they count for its bound too.
 * @throws ModelError, or the signal's reason.
 */
export async function callModel(
  {
    model,
    tools,
    turn,
    stream,
    signal,
  }: Pick<AnswerJob, "model" | "tools" | "signal"> & {
    readonly turn: Pick<AnswerJob["turn"], "parameters">;
    readonly stream: Pick<AnswerJob["stream"], "emit">;
  },
  messages: readonly Message[],
  before: number,
): Promise<ModelReply> {
  const calls: ToolCall[] = [];
  const text: string[] = [];
  let bytes = before;
  if (bytes > LIMITS.replyBytes) throw tooLong();
  const request = {
    messages,
    tools: tools.map(({ spec }) => spec),
    parameters: turn.parameters,
    signal,
  };
  for await (const said of model.stream(request)) {
    signal.throwIfAborted();
    const event = keptEvent(said);
    if (event.type === "end") return replyOf(text.join(""), calls, event);
    if (event.type === "text") {
      text.push(event.text);
      if (event.text !== "") stream.emit({ case: "textDelta", value: event.text });
    } else {
      // Its result is known by its id.
      if (calls.some(({ callId }) => callId === event.call.callId)) {
        event.call.callId = `call_${randomUUID()}`;
      }
      calls.push(event.call);
      if (isClients({ tools, turn }, event.call.name)) {
        stream.emit({ case: "toolCall", value: event.call });
      }
    }
    bytes +=
      event.type === "text" ? Buffer.byteLength(event.text) : event.call.argumentsJson.length;
    if (bytes > LIMITS.replyBytes) throw tooLong();
  }
  throw new ModelError("MODEL_STREAM_CUT", "the model's stream ended before the model said so");
}

/** Whether a tool is the client's to run: it offered it, and the agent has none of that name. */
export function isClients(
  {
    tools,
    turn,
  }: Pick<AnswerJob, "tools"> & { readonly turn: Pick<AnswerJob["turn"], "parameters"> },
  name: string,
): boolean {
  return (
    !tools.some(({ spec }) => spec.name === name) && clientToolNames(turn.parameters).has(name)
  );
}

function tooLong(): ModelError {
  return new ModelError(
    "MODEL_FAILED",
    `the model's answer has more than ${LIMITS.replyBytes} bytes`,
  );
}

function replyOf(
  text: string,
  calls: readonly ToolCall[],
  end: Pick<ModelReply, "finishReason" | "inputTokens" | "outputTokens" | "model">,
): ModelReply {
  const parts: Part[] = calls.map((value) =>
    create(PartSchema, { content: { case: "toolCall", value } }),
  );
  if (text !== "" || calls.length === 0) {
    parts.unshift(create(PartSchema, { content: { case: "text", value: text } }));
  }
  const { finishReason, inputTokens, outputTokens, model } = end;
  const message = create(MessageSchema, { role: Role.ASSISTANT, parts });
  return { message, calls, finishReason, inputTokens, outputTokens, model };
}
