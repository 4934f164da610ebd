import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { LIMITS } from "../limits.ts";
import { readPinned, saveMemory, searchMemories } from "../store/answering/memories.ts";
import type { Memory } from "../tools/tool-deps.ts";
import type { RunnerDeps } from "../deps.ts";
import { persist } from "../persist.ts";

/** Memory as the tools see it. */
export function memoryOf(deps: Pick<RunnerDeps, "db" | "clock" | "log">): Memory {
  return {
    save: (memory) =>
      persist(deps, "save a memory", () => saveMemory(deps.db, memory, LIMITS.memoriesPerAgent)),
    search: (scope, query, limit) => searchMemories(deps.db, scope, query, limit),
  };
}

/** What an agent pinned; asked for only where it has the means to. */
export async function pinnedBy(
  { db }: Pick<RunnerDeps, "db">,
  tenant: string,
  { agentId, tools }: Pick<AgentConfig, "agentId" | "tools">,
): Promise<readonly string[]> {
  if (!tools.includes("memory_save")) return [];
  return readPinned(db, tenant, agentId, LIMITS.pinnedMemories);
}
