import { create } from "@bufbuild/protobuf";
import {
  type Message,
  Role,
  ToolCallSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { textOf } from "../domain/message-text.ts";
import type { Model, ModelEvent, ModelRequest } from "../models/model.ts";

export type Behaviour = (request: ModelRequest) => AsyncIterable<ModelEvent>;

/** A model that does what a test says; by default it repeats what it was told last. */
export class ModelDouble implements Model {
  readonly name = "double";
  behaviour: Behaviour = echo;
  /** What it was asked, in order. */
  readonly asked: ModelRequest[] = [];
  /** Calls under way, the most there ever were at once, by session marker. */
  running = 0;
  mostRunning = 0;

  async *stream(request: ModelRequest): AsyncIterable<ModelEvent> {
    this.asked.push(request);
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      yield* this.behaviour(request);
    } finally {
      this.running -= 1;
    }
  }

  /** The texts of what it was shown in its nth call. */
  shown(call: number): string[] {
    return (this.asked[call]?.messages ?? []).map(shownAs);
  }
}

function shownAs(message: Message): string {
  const role = Object.entries(Role).find(([, value]) => value === message.role)?.[0] ?? "?";
  return `${role.toLowerCase()}: ${textOf(message) || partsOf(message)}`;
}

function partsOf(message: Message): string {
  return message.parts
    .map(({ content }) => {
      if (content.case === "toolCall") return `call ${content.value.name}`;
      return content.case === "toolResult" ? `result ${content.value.text}` : (content.case ?? "");
    })
    .join(", ");
}

export function end(finishReason = "stop"): ModelEvent {
  return { type: "end", finishReason, inputTokens: 3, outputTokens: 2, model: "double-1" };
}

export function toolCall(callId: string, name: string, argumentsJson = "{}"): ModelEvent {
  return { type: "tool_call", call: create(ToolCallSchema, { callId, name, argumentsJson }) };
}

export async function* echo({ messages }: ModelRequest): AsyncIterable<ModelEvent> {
  const last = messages.at(-1);
  yield { type: "text", text: "echo: " };
  yield { type: "text", text: last === undefined ? "" : textOf(last) };
  yield end();
}

/** Answers once the test lets it, and not if it is aborted before. */
export function heldAnswer(opened: Promise<void>, text = "held"): Behaviour {
  return async function* ({ signal }) {
    yield { type: "text", text: "he" };
    await new Promise<void>((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      void opened.then(resolve);
    });
    yield { type: "text", text: text.slice(2) };
    yield end();
  };
}
