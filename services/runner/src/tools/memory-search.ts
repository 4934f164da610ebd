import { z } from "zod";
import { LIMITS } from "../limits.ts";
import { parseArguments } from "./arguments.ts";
import type { Tool, ToolContext, ToolOutcome } from "./tool.ts";
import type { ToolDeps } from "./tool-deps.ts";

const argumentsSchema = z.strictObject({
  query: z.string().trim().min(1).max(1_000),
  limit: z.int().min(1).max(LIMITS.memoriesFound).default(10),
});

/** Finds what the agent saved in any of its conversations. */
export function memorySearch(deps: ToolDeps): Tool {
  return {
    spec: {
      name: "memory_search",
      description:
        "Finds what memory_save has kept, best first. All words must occur; `or` between words, " +
        'quotes around phrases and "-" before a word work as in web searches.',
      parameters: {
        type: "object",
        properties: {
          query: { type: "string", description: "Words to look for." },
          limit: { type: "integer", minimum: 1, maximum: LIMITS.memoriesFound },
        },
        required: ["query"],
        additionalProperties: false,
      },
    },
    isRepeatable: true,
    run: (argumentsJson, context) => search(deps, argumentsJson, context),
  };
}

async function search(
  { memory }: ToolDeps,
  argumentsJson: string,
  context: ToolContext,
): Promise<ToolOutcome> {
  const parsed = parseArguments(argumentsSchema, argumentsJson);
  if (!parsed.ok) return parsed.outcome;
  const { query, limit } = parsed.value;
  const found = await memory.search(context, query, limit);
  const memories = found.map(({ text, sessionKey, createTime }) => ({
    text,
    session_key: sessionKey,
    saved: createTime.toISOString(),
  }));
  return { text: JSON.stringify({ memories }), isError: false };
}
