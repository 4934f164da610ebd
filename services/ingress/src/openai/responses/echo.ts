import { isObject, type JsonObject } from "../../http/json-body.ts";
import { responseToolChoice, responseTools } from "./tools.ts";

/**
 * What a response repeats of its request, from the turn's parameters: so one that is fetched later
 * says the same as the one that was answered.
 */
export function echoOf(parameters: JsonObject): object {
  const given = (name: string): unknown => parameters[name] ?? null;
  return {
    background: false,
    instructions: given("instructions"),
    max_output_tokens: given("max_completion_tokens"),
    max_tool_calls: null,
    metadata: parameters["metadata"] ?? {},
    parallel_tool_calls: parameters["parallel_tool_calls"] ?? true,
    previous_response_id: given("previous_response_id"),
    prompt_cache_key: given("prompt_cache_key"),
    reasoning: { effort: given("reasoning_effort"), summary: null },
    safety_identifier: given("safety_identifier"),
    service_tier: parameters["service_tier"] ?? "default",
    store: parameters["store"] ?? true,
    temperature: given("temperature"),
    text: { format: format(parameters["response_format"]), ...verbosity(parameters) },
    tool_choice: responseToolChoice(parameters["tool_choice"]),
    tools: responseTools(parameters["tools"]),
    top_logprobs: 0,
    top_p: given("top_p"),
    // A context that is full loses its oldest exchanges, or has them summed up.
    truncation: "auto",
    user: given("user"),
  };
}

function format(responseFormat: unknown): object {
  if (!isObject(responseFormat)) return { type: "text" };
  const { type, json_schema: schema } = responseFormat;
  return { type, ...(isObject(schema) ? schema : {}) };
}

function verbosity(parameters: JsonObject): object {
  const value = parameters["verbosity"];
  return value === undefined ? {} : { verbosity: value };
}
