import type { ModelSettings } from "@lanekeeper/service";
import type { AgentEntry, Config } from "./schema.ts";

/** The tenant that the first credential belongs to. */
const DEFAULT_TENANT = "default";

/** Those that reach nothing outside Lanekeeper. */
export const DEFAULT_TOOLS: readonly string[] = ["session_status", "sessions_send"];

/** What holds without LANEKEEPER_CONFIG: one tenant with one agent. */
export function defaultConfig(model: ModelSettings): Config {
  return {
    tenants: {
      [DEFAULT_TENANT]: {
        default_agent: "main",
        agents: { main: { model: modelEntry(model), tools: [...DEFAULT_TOOLS] } },
      },
    },
  };
}

function modelEntry(model: ModelSettings): AgentEntry["model"] {
  if (model.kind === "scripted") return "scripted";
  const { baseUrl: base_url, model: name, apiKey, from } = model;
  const variable = from === "OPENAI_BASE_URL" ? "OPENAI_API_KEY" : "LANEKEEPER_MODEL_API_KEY";
  return { base_url, model: name, ...(apiKey === undefined ? {} : { api_key_env: variable }) };
}
