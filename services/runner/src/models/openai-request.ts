import type {
  ChatCompletionCreateParamsStreaming,
  ChatCompletionTool,
} from "openai/resources/chat/completions";

import { clientToolName } from "../domain/client-tools.ts";
import type { ModelRequest, ToolSpec } from "./model.ts";
import { openAiMessages } from "./openai-messages.ts";

/** What belongs to the request as a whole and not to the model: never passed on. */
const OURS = new Set([
  "model",
  "messages",
  "stream",
  "stream_options",
  "metadata",
  "n",
  "store",
  "instructions",
  "previous_response_id",
]);

/** The body of a streaming chat completion. */
export function openAiRequest(
  model: string,
  request: ModelRequest,
): ChatCompletionCreateParamsStreaming {
  const passed = Object.fromEntries(
    Object.entries(request.parameters).filter(([name]) => !OURS.has(name)),
  );
  const own = new Set(request.tools.map(({ name }) => name));
  // Providers refuse a name that stands there twice; who calls it calls the agent's.
  const theirs = clientTools(passed["tools"]).filter(
    (tool) => !own.has(clientToolName(tool) ?? ""),
  );
  const tools = [...theirs, ...request.tools.map(openAiTool)];
  return {
    ...passed,
    ...(tools.length > 0 ? { tools } : {}),
    model,
    messages: openAiMessages(request.messages),
    stream: true,
    stream_options: { include_usage: true },
  };
}

function clientTools(tools: unknown): ChatCompletionTool[] {
  return Array.isArray(tools) ? tools : [];
}

function openAiTool(spec: ToolSpec): ChatCompletionTool {
  return {
    type: "function",
    function: { name: spec.name, description: spec.description, parameters: spec.parameters },
  };
}
