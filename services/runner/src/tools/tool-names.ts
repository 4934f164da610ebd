/** The built-in tools that `AgentConfig.tools` may name. */
export const TOOL_NAMES = [
  "session_status",
  "memory_save",
  "memory_search",
  "sessions_send",
  "sessions_spawn",
] as const;

/** One of them. */
export type ToolName = (typeof TOOL_NAMES)[number];

export function isToolName(name: string): name is ToolName {
  return (TOOL_NAMES as readonly string[]).includes(name);
}
