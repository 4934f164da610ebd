import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { inTrace } from "@lanekeeper/service";
import { LIMITS } from "../limits.ts";
import { readPinned, saveMemory, searchMemories } from "../store/answering/memories.ts";
import type { Memory } from "../tools/tool-deps.ts";
import type { RunnerDeps } from "../deps.ts";
import { persist } from "../persist.ts";
import { budgetOf } from "./budget.ts";

/** Memory as the tools see it. */
export function memoryOf(deps: Pick<RunnerDeps, "db" | "clock" | "log">): Memory {
  return {
    save: (memory, from) => {
      const traced = { ...deps, log: inTrace(deps.log, from?.traceparent) };
      const save = () => saveMemory(deps.db, memory, LIMITS.memoriesPerAgent);
      return persist(traced, "save a memory", save);
    },
    search: (scope, query, limit) => searchMemories(deps.db, scope, query, limit),
  };
}

/**
 * What an agent pinned; asked for only where it has the means to. Of more than is a part of its context the
 * newest: an agent cannot take back what it pinned, and would have room for nothing else.
 */
export async function pinnedBy(
  { db }: Pick<RunnerDeps, "db">,
  tenant: string,
  agent: Pick<AgentConfig, "agentId" | "tools" | "contextTokenBudget">,
): Promise<readonly string[]> {
  if (!agent.tools.includes("memory_save")) return [];
  const pinned = await readPinned(db, tenant, agent.agentId, LIMITS.pinnedMemories);
  const { tokens, charsPerToken } = budgetOf(agent);
  let left = tokens * charsPerToken * LIMITS.pinnedShare;
  const from = pinned.findLastIndex(({ length }) => (left -= length) < 0) + 1;
  return pinned.slice(from);
}
