import { LanekeeperError } from "@lanekeeper/rpc";
import { z } from "zod";
import { parseArguments } from "./arguments.ts";
import { told } from "./sessions-send.ts";
import type { Tool, ToolContext, ToolOutcome } from "./tool.ts";
import type { ToolDeps } from "./tool-deps.ts";

const argumentsSchema = z.strictObject({
  task: z.string().min(1).max(100_000),
  agent_id: z.string().optional(),
  wait: z.boolean().default(false),
});

/** Gives a task to a subagent; its result comes as a message, or, where it is waited for, at once. */
export function sessionsSpawn(deps: ToolDeps): Tool {
  return {
    spec: {
      name: "sessions_spawn",
      description:
        "Gives a task to an agent in a new session of its own, which sees nothing of this one. Its " +
        "result comes later as a message here, unless `wait` is true.",
      parameters: {
        type: "object",
        properties: {
          task: { type: "string", description: "All that the agent has to know." },
          agent_id: { type: "string", description: "The agent, if not your own." },
          wait: { type: "boolean", description: "Whether to wait for the result; default false." },
        },
        required: ["task"],
        additionalProperties: false,
      },
    },
    isRepeatable: true,
    boundsItself: true,
    run: (argumentsJson, context) => spawn(deps, argumentsJson, context),
  };
}

async function spawn(
  deps: ToolDeps,
  argumentsJson: string,
  context: ToolContext,
): Promise<ToolOutcome> {
  const parsed = parseArguments(argumentsSchema, argumentsJson);
  if (!parsed.ok) return parsed.outcome;
  const { task: text, agent_id: agentId, wait } = parsed.value;
  try {
    return told(await deps.spawn({ from: context, agentId, text, wait }));
  } catch (error) {
    if (!(error instanceof LanekeeperError)) throw error;
    return { text: `${error.reason}: ${error.message}`, isError: true };
  }
}
