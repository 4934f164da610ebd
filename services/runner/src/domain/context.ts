import { create } from "@bufbuild/protobuf";
import {
  type Message,
  MessageSchema,
  Role,
  type ToolCall,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { leaveOutResults } from "./leave-out-results.ts";
import { messageChars } from "./message-text.ts";

export interface ContextBudget {
  readonly tokens: number;
  readonly charsPerToken: number;
  readonly charsPerFile: number;
}

export interface ContextParts {
  /** Empty: none. */
  readonly systemPrompt: string;
  /** What the agent pinned, oldest first. */
  readonly pinned?: readonly string[];
  /** Of what came before `history`; empty: nothing did, or all of it stands there. */
  readonly summary?: string;
  /** The transcript through the parent chain, oldest first. */
  readonly history: readonly Message[];
  /** Of this turn, never dropped: seed apart, which belongs to the history. */
  readonly input: readonly Message[];
  /** What the agent said in this turn so far, what its tools answered, and what it was told meanwhile. */
  readonly produced?: readonly Message[];
}

/**
 * What the model is shown. Of the history as many of the last exchanges as the budget holds: whole
 * ones, so that no answer stands without its question and no tool result without its call. Calls that
 * nobody answered get a synthetic result, since providers refuse a conversation that lacks one. Where the
 * turn alone is more than the budget, the oldest results of its own tools are left out.
 */
export function assembleContext(parts: ContextParts, budget: ContextBudget): Message[] {
  const system = systemMessages(parts);
  const { input, produced = [] } = parts;
  const fixed = fixedChars(parts, budget) + charsOf(produced, budget);
  const left = budget.tokens * budget.charsPerToken - fixed;
  const history = lastExchanges(parts.history, left, budget);
  const kept = left < 0 ? leaveOutResults(produced, -left) : produced;
  return [...system, ...answerOpenCalls([...history, ...input, ...kept])];
}

/** All in one message: not every provider takes several, nor one that is not the first. */
function systemMessages({
  systemPrompt,
  pinned = [],
  summary = "",
}: Pick<ContextParts, "systemPrompt" | "pinned" | "summary">): Message[] {
  const memory =
    pinned.length === 0 ? "" : `${PINNED}\n${pinned.map((text) => `- ${text}`).join("\n")}`;
  const before = summary === "" ? "" : `${SUMMARY}\n${summary}`;
  const texts = [systemPrompt, memory, before].filter((text) => text !== "");
  return texts.length === 0 ? [] : [textMessage(Role.SYSTEM, texts.join("\n\n"))];
}

const PINNED = "What you keep in mind:";
const SUMMARY = "Summary of the conversation before what follows:";

/** What a context takes besides its history, in characters. */
export function fixedChars(
  parts: Omit<ContextParts, "history" | "produced">,
  budget: ContextBudget,
): number {
  return charsOf([...systemMessages(parts), ...parts.input], budget);
}

/** One text in one message. */
export function textMessage(role: Role, text: string): Message {
  return create(MessageSchema, { role, parts: [{ content: { case: "text", value: text } }] });
}

/** What messages take of a context, in characters. */
export function charsOf(
  messages: readonly Message[],
  { charsPerFile }: Pick<ContextBudget, "charsPerFile">,
): number {
  return messages.reduce((sum, message) => sum + messageChars(message, charsPerFile), 0);
}

function lastExchanges(
  history: readonly Message[],
  chars: number,
  budget: ContextBudget,
): Message[] {
  const kept: (readonly Message[])[] = [];
  let left = chars;
  for (const whole of exchanges(history).toReversed()) {
    // What was last is shown without its results rather than not at all.
    const over = kept.length === 0 ? charsOf(whole, budget) - left : 0;
    const exchange = over > 0 && left > 0 ? leaveOutResults(whole, over) : whole;
    left -= charsOf(exchange, budget);
    if (left < 0) break;
    kept.push(exchange);
  }
  return kept.toReversed().flat();
}

/** An exchange begins where somebody speaks after the agent has: with what was said until it answers. */
export function exchanges(history: readonly Message[]): Message[][] {
  const found: Message[][] = [];
  let hasAnswer = true;
  for (const message of history) {
    const isNew = hasAnswer && (message.role === Role.USER || message.role === Role.SYSTEM);
    if (isNew || found.length === 0) found.push([]);
    found.at(-1)?.push(message);
    if (isNew) hasAnswer = false;
    if (message.role === Role.ASSISTANT) hasAnswer = true;
  }
  return found;
}

export const NO_RESULT_YET = "No result yet: the client that runs this tool has not answered.";

/**
 * Puts a synthetic result behind each call without one. A result that comes late is new input and
 * stands where it was said; as no call stands right before it, it is shown as what it is to the reader,
 * text, and not between another call and its results.
 */
export function answerOpenCalls(messages: readonly Message[]): Message[] {
  const shown: Message[] = [];
  let open: ToolCall[] = [];
  let late: Message[] = [];
  const close = (): void => {
    shown.push(...open.map(noResult), ...late);
    open = [];
    late = [];
  };
  for (const message of messages.flatMap(resultsApart)) {
    if (message.role === Role.TOOL) {
      const answered = new Set(resultIds(message));
      const isExpected = open.some((call) => answered.has(call.callId));
      open = open.filter((call) => !answered.has(call.callId));
      if (isExpected) shown.push(message);
      else late.push(lateResult(message));
      continue;
    }
    close();
    shown.push(message);
    if (message.role === Role.ASSISTANT) open = callsOf(message);
  }
  close();
  return shown;
}

/** Of several results in one message each may be of a call that stands before it, or come late. */
function resultsApart(message: Message): Message[] {
  if (message.role !== Role.TOOL || message.parts.length < 2) return [message];
  return message.parts.map((part) => create(MessageSchema, { ...message, parts: [part] }));
}

export function callsOf(message: Message): ToolCall[] {
  return message.parts.flatMap(({ content }) =>
    content.case === "toolCall" ? [content.value] : [],
  );
}

export function toolResultMessage(callId: string, text: string, isError: boolean): Message {
  return create(MessageSchema, {
    role: Role.TOOL,
    parts: [{ content: { case: "toolResult", value: { callId, text, isError } } }],
  });
}

/** The calls that a message has results of. */
export function resultIds(message: Message): string[] {
  return message.parts.flatMap(({ content }) =>
    content.case === "toolResult" ? [content.value.callId] : [],
  );
}

function noResult(call: ToolCall): Message {
  return toolResultMessage(call.callId, NO_RESULT_YET, false);
}

/** A provider refuses a tool message whose call does not stand right before it. */
function lateResult(message: Message): Message {
  const text = message.parts
    .map(({ content }) =>
      content.case === "toolResult"
        ? `Result of the tool call ${content.value.callId}: ${content.value.text}`
        : content.case === "text"
          ? content.value
          : "",
    )
    .join("\n");
  return textMessage(Role.USER, text);
}
