import { OnConflict } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { LanekeeperError } from "@lanekeeper/rpc";
import { z } from "zod";

import { parseArguments } from "./arguments.ts";
import type { Tool, ToolContext, ToolOutcome } from "./tool.ts";
import type { SessionMessageOutcome, ToolDeps } from "./tool-deps.ts";

const argumentsSchema = z.strictObject({
  session_key: z.string().min(1).max(1024),
  message: z.string().min(1).max(100_000),
  agent_id: z.string().optional(),
  wait: z.boolean().default(true),
  on_conflict: z.enum(["enqueue", "reject", "interrupt", "rollback", "steer"]).default("enqueue"),
});

const ON_CONFLICT = {
  enqueue: OnConflict.ENQUEUE,
  reject: OnConflict.REJECT,
  interrupt: OnConflict.INTERRUPT,
  rollback: OnConflict.ROLLBACK,
  steer: OnConflict.STEER,
} as const;

/** Sends a message into another session and, unless told otherwise, waits for its answer. */
export function sessionsSend(deps: ToolDeps): Tool {
  return {
    spec: {
      name: "sessions_send",
      description:
        "Sends a message into another session of this tenant, named by any key that leads to it. " +
        "Waits for the answer unless `wait` is false; that session's own channel gets it then.",
      parameters: {
        type: "object",
        properties: {
          session_key: { type: "string", description: "Raw or canonical key of the session." },
          message: { type: "string", description: "What to say." },
          agent_id: { type: "string", description: "The agent, if not your own." },
          wait: { type: "boolean", description: "Whether to wait for the answer; default true." },
          on_conflict: {
            type: "string",
            enum: ["enqueue", "reject", "interrupt", "rollback", "steer"],
            description: "What to do if the session is busy; default enqueue: wait behind it.",
          },
        },
        required: ["session_key", "message"],
        additionalProperties: false,
      },
    },
    isRepeatable: true,
    boundsItself: true,
    run: (argumentsJson, context) => send(deps, argumentsJson, context),
  };
}

async function send(
  deps: ToolDeps,
  argumentsJson: string,
  context: ToolContext,
): Promise<ToolOutcome> {
  const parsed = parseArguments(argumentsSchema, argumentsJson);
  if (!parsed.ok) return parsed.outcome;
  const { session_key: key, message: text, agent_id: agentId, wait } = parsed.value;
  const onConflict = ON_CONFLICT[parsed.value.on_conflict];
  try {
    return told(await deps.sendToSession({ from: context, key, agentId, text, wait, onConflict }));
  } catch (error) {
    if (!(error instanceof LanekeeperError)) throw error;
    return { text: `${error.reason}: ${error.message}`, isError: true };
  }
}

/** Who asked this agent has asked for what the other one made, too. */
export function told(outcome: SessionMessageOutcome): ToolOutcome {
  const { sessionKey, sessionId, turnId, reply, files = [] } = outcome;
  const receipt = { session_key: sessionKey, session_id: sessionId, turn_id: turnId };
  const text = JSON.stringify(reply === undefined ? receipt : { ...receipt, reply });
  return { text, isError: false, ...(files.length === 0 ? {} : { files }) };
}
