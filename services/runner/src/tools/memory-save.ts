import { z } from "zod";
import { LIMITS } from "../limits.ts";
import { parseArguments } from "./arguments.ts";
import type { Tool, ToolContext, ToolOutcome } from "./tool.ts";
import type { ToolDeps } from "./tool-deps.ts";

const argumentsSchema = z.strictObject({
  text: z.string().trim().min(1).max(LIMITS.memoryChars),
  pinned: z.boolean().default(false),
});

/** Remembers something beyond the conversation. It counts once the turn's end is committed. */
export function memorySave(deps: ToolDeps): Tool {
  return {
    spec: {
      name: "memory_save",
      description:
        "Remembers a fact beyond this conversation. What is pinned stands before you in every " +
        "conversation; the rest is found by memory_search.",
      parameters: {
        type: "object",
        properties: {
          text: { type: "string", description: "One fact, in words that a search will find." },
          pinned: { type: "boolean", description: "Always to be kept in mind; default false." },
        },
        required: ["text"],
        additionalProperties: false,
      },
    },
    isRepeatable: true,
    run: (argumentsJson, context) => save(deps, argumentsJson, context),
  };
}

async function save(
  { memory }: ToolDeps,
  argumentsJson: string,
  context: ToolContext,
): Promise<ToolOutcome> {
  const parsed = parseArguments(argumentsSchema, argumentsJson);
  if (!parsed.ok) return parsed.outcome;
  if (context.session === undefined) {
    return { text: "INVALID_REQUEST: a turn without a session has no memory", isError: true };
  }
  const { sessionKey } = context.session;
  const { text, pinned: isPinned } = parsed.value;
  const isSaved = await memory.save({ ...context, sessionKey, text, isPinned }, context);
  if (isSaved) return { text: "Saved.", isError: false };
  return { text: `QUOTA: the agent keeps ${LIMITS.memoriesPerAgent} memories`, isError: true };
}
