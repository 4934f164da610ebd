import { setTimeout as sleep } from "node:timers/promises";

import { create } from "@bufbuild/protobuf";
import {
  type Message,
  Role,
  ToolCallSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";

import { messageText } from "./message-text.ts";
import type { Model, ModelEvent, ModelRequest } from "./model.ts";
import { type Directives, readDirectives } from "./scripted-directives.ts";

/** The name says what it is, wherever a model's name is shown. */
export const SCRIPTED_MODEL_NAME = "lanekeeper-scripted";

/** Messages that an answer lists; of longer contexts it tells how many it left out. */
const LISTED = 40;
/** Characters of each message that are shown. */
const SHOWN_CHARACTERS = 200;

/**
 * A model without intelligence: it tells what context it was given, so that people and tests can see
 * what an agent would have known. The last user message may hold directives (`!sleep 3s`,
 * `!tool sessions_send {"session_key": "…", "message": "…"}`).
 */
export class ScriptedModel implements Model {
  readonly name = SCRIPTED_MODEL_NAME;

  async *stream(request: ModelRequest): AsyncIterable<ModelEvent> {
    const since = sinceLastUser(request.messages);
    const directives = readDirectives(
      messageText(since[0] ?? request.messages[0] ?? emptyMessage()),
    );
    const called = since.filter((message) => message.role === Role.ASSISTANT).length;
    if (called === 0) await pause(directives.sleepMs, request.signal);
    const text = nextStep(directives, called) === undefined ? answer(request.messages) : "";
    // In one piece: words that come without a pause between them are one event to whoever looks.
    if (text !== "") yield { type: "text", text };
    yield* endEvents(request, directives, { called, text });
  }
}

/** From the last user message on: that message, and the tool calls and results that followed it. */
function sinceLastUser(messages: readonly Message[]): readonly Message[] {
  const last = messages.findLastIndex((message) => message.role === Role.USER);
  return messages.slice(Math.max(0, last));
}

function nextStep(directives: Directives, called: number) {
  return directives.tools[called];
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds > 0) await sleep(milliseconds, undefined, { signal });
}

function* endEvents(
  request: ModelRequest,
  directives: Directives,
  done: { called: number; text: string },
): Generator<ModelEvent> {
  const step = nextStep(directives, done.called);
  if (step !== undefined) {
    const callId = `call_${done.called + 1}`;
    yield { type: "tool_call", call: create(ToolCallSchema, { callId, ...step }) };
  }
  yield {
    type: "end",
    finishReason: step === undefined ? "stop" : "tool_calls",
    inputTokens: estimatedTokens(request.messages.map(messageText)),
    outputTokens: estimatedTokens([done.text]),
    model: SCRIPTED_MODEL_NAME,
  };
}

/** Four characters a token: the usual rule of thumb for English; the scripted model has no tokens. */
function estimatedTokens(texts: readonly string[]): number {
  return Math.ceil(texts.reduce((sum, { length }) => sum + length, 0) / 4);
}

function answer(messages: readonly Message[]): string {
  const listed = messages.slice(-LISTED).map((message, index) => {
    const number = messages.length - Math.min(LISTED, messages.length) + index + 1;
    return `${number}. ${roleName(message.role)}: ${shown(message)}`;
  });
  const left =
    messages.length > LISTED ? `\n(${messages.length - LISTED} earlier ones not listed)` : "";
  const count = `${messages.length} message${messages.length === 1 ? "" : "s"}`;
  return `This is Lanekeeper's scripted model. I was shown ${count}:${left}\n${listed.join("\n")}`;
}

function roleName(role: Role): string {
  const names = { [Role.SYSTEM]: "system", [Role.USER]: "user", [Role.ASSISTANT]: "assistant" };
  return names[role as keyof typeof names] ?? "tool";
}

function shown(message: Message): string {
  const calls = message.parts.flatMap(({ content }) =>
    content.case === "toolCall" ? [`[calls ${content.value.name}]`] : [],
  );
  const text = [messageText(message).replaceAll("\n", " "), ...calls].join(" ").trim();
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}

function emptyMessage(): Message {
  return { $typeName: "lanekeeper.runner.v1.Message", role: Role.USER, parts: [], senderId: "" };
}
