import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import type { ContextBudget } from "../domain/context.ts";
import { LIMITS } from "../limits.ts";

/** What an agent's contexts may take. */
export function budgetOf(agent: Pick<AgentConfig, "contextTokenBudget">): ContextBudget {
  const { contextTokenBudget, charsPerToken, charsPerFile } = LIMITS;
  return { tokens: agent.contextTokenBudget || contextTokenBudget, charsPerToken, charsPerFile };
}
