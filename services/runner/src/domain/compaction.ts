import { type Rotation, RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { type Message, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { messageChars, textOf } from "./message-text.ts";
import { exchanges } from "./context.ts";

const NOTE = "compaction by run ";

/** The note of the rotation that a run makes: by it every later run knows whose summary counts. */
export function compactionNote(runId: string): string {
  return `${NOTE}${runId}`;
}

/** The run that made a generation by compaction; undefined: it came otherwise. */
export function compactedBy(
  rotation: Pick<Rotation, "reason" | "note"> | undefined,
): string | undefined {
  if (rotation?.reason !== RotationReason.COMPACTION || !rotation.note.startsWith(NOTE)) {
    return undefined;
  }
  return rotation.note.slice(NOTE.length);
}

/** Sizes in characters. */
export interface CompactionSizes {
  readonly budget: number;
  /** Prompt, memory, summary and input: what compaction leaves as it is. */
  readonly fixed: number;
  readonly history: number;
}

/** Below this part of the threshold history is not what fills the context, and a summary gains nothing. */
const WORTHWHILE = 0.25;

/** Whether older history is to be replaced by a summary before the model is asked. */
export function isFull({ budget, fixed, history }: CompactionSizes, atPercent: number): boolean {
  const threshold = (budget * atPercent) / 100;
  return fixed + history > threshold && history > threshold * WORTHWHILE;
}

/** The last whole exchanges of at most so many characters: they stay as they were said. */
export function keptVerbatim<T extends { readonly message: Message }>(
  said: readonly T[],
  maxChars: number,
  charsPerFile: number,
): readonly T[] {
  let from = said.length;
  let chars = 0;
  for (const exchange of exchanges(said.map(({ message }) => message)).toReversed()) {
    chars += exchange.reduce((sum, message) => sum + messageChars(message, charsPerFile), 0);
    if (chars > maxChars) break;
    from -= exchange.length;
  }
  return said.slice(from);
}

const INSTRUCTION =
  "You keep the memory of a long conversation. Summarize what is given for the agent who will go on " +
  "with it and sees nothing else of it: who takes part, what was asked, found, decided, promised and " +
  "left open, with names, numbers, identifiers and wording that may matter later. Leave out what is " +
  "settled and of no further use. Answer with the summary alone.";

const HEADING = "The conversation:\n";

/** What a request for a summary takes besides what is to be summarized, in characters. */
export const SUMMARY_FRAME_CHARS = INSTRUCTION.length + HEADING.length;

/** What the model is asked for a summary: text alone, so that no tool call stands open in it. */
export function summaryRequest(
  before: string,
  said: readonly Message[],
  maxChars: number,
): { readonly instruction: string; readonly text: string } {
  const lines = said.map(lineOf).join("\n");
  const earlier = before === "" ? "" : `Summary of what came before:\n${before}\n\n`;
  // The newest is worth most.
  const room = Math.max(0, maxChars - earlier.length);
  const text = `${earlier}${HEADING}${lines.slice(Math.max(0, lines.length - room))}`;
  return { instruction: INSTRUCTION, text };
}

const SPEAKERS: Readonly<Partial<Record<Role, string>>> = {
  [Role.SYSTEM]: "system",
  [Role.USER]: "user",
  [Role.ASSISTANT]: "assistant",
  [Role.TOOL]: "tool",
};

function lineOf(message: Message): string {
  const others = message.parts.flatMap(({ content }) => {
    if (content.case === "toolCall") {
      return [`[calls ${content.value.name} ${content.value.argumentsJson}]`];
    }
    if (content.case === "toolResult") return [`[result: ${content.value.text}]`];
    return content.case === "file" ? [`[file ${content.value.fileName}]`] : [];
  });
  const sender = message.senderId === "" ? "" : ` (${message.senderId})`;
  const speaker = `${SPEAKERS[message.role] ?? "somebody"}${sender}`;
  return `${speaker}: ${[textOf(message), ...others].filter((text) => text !== "").join(" ")}`;
}
