import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";

import { memorySave } from "./memory-save.ts";
import { memorySearch } from "./memory-search.ts";
import { sessionStatus } from "./session-status.ts";
import { sessionsSend } from "./sessions-send.ts";
import { sessionsSpawn } from "./sessions-spawn.ts";
import type { Tool } from "./tool.ts";
import type { ToolDeps } from "./tool-deps.ts";
import { isToolName, type ToolName } from "./tool-names.ts";

/** Makes a built-in tool. */
type ToolFactory = (deps: ToolDeps) => Tool;

/** Every built-in tool by its name; a configuration that names another is refused. */
const BUILT_IN: Readonly<Record<ToolName, ToolFactory>> = {
  session_status: () => sessionStatus,
  memory_save: memorySave,
  memory_search: memorySearch,
  sessions_send: sessionsSend,
  sessions_spawn: sessionsSpawn,
};

/** The tools that an agent's configuration names. */
export function toolsFor(agent: AgentConfig, deps: ToolDeps): Tool[] {
  return agent.tools.filter(isToolName).map((name) => BUILT_IN[name](deps));
}
