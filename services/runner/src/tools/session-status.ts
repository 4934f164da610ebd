import type { Tool } from "./tool.ts";

/** Tells an agent which conversation it is in. */
export const sessionStatus: Tool = {
  spec: {
    name: "session_status",
    description:
      "Tells which session this conversation is (key, id and generation) and how much of its context is used.",
    parameters: { type: "object", properties: {}, additionalProperties: false },
  },
  run: async (_argumentsJson, { agentId, session, turnId, contextUse }) => ({
    text: JSON.stringify({
      agent: agentId,
      turn_id: turnId,
      ...(session === undefined
        ? { stateless: true }
        : {
            session_key: session.sessionKey,
            session_id: session.sessionId,
            generation: Number(session.generation),
          }),
      context_tokens_used: contextUse.usedTokens,
      context_token_budget: contextUse.budgetTokens,
    }),
    isError: false,
  }),
};
