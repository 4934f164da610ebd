import type { JsonObject as ProtoJsonObject, JsonValue } from "@bufbuild/protobuf";
import { invalid } from "@lanekeeper/rpc";
import { isObject, type JsonObject } from "../../http/json-body.ts";
import { type Field, fieldOf, isAbsent, requireObject, requireText } from "../field.ts";
import { metadataWithoutKey, requireNumber } from "../parameters.ts";
import { chatToolChoice, chatTools } from "./tools.ts";

/** Fields that are answered here, or are told to the model in other words; all others are the model's. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "background",
  "conversation",
  "include",
  "input",
  "instructions",
  "max_output_tokens",
  "max_tool_calls",
  "metadata",
  "prompt",
  "reasoning",
  "stream",
  "stream_options",
  "text",
  "tool_choice",
  "tools",
  "top_logprobs",
  "truncation",
]);

const NUMBERS = ["temperature", "top_p", "max_output_tokens"];

/**
 * What goes with the turn, in the words of chat completions, which every provider speaks. What only
 * answers need (`model`, `previous_response_id`, `store`, `metadata`) goes along and is not passed on.
 * @throws INVALID_REQUEST naming the field
 */
export function chatParameters(body: JsonObject): ProtoJsonObject {
  for (const name of NUMBERS) requireNumber(body, name);
  const passed = Object.entries(body).filter(([name]) => !OWN_FIELDS.has(name));
  const translated = {
    instructions: instructionsOf(fieldOf(body, "instructions")),
    max_completion_tokens: body["max_output_tokens"],
    metadata: metadataWithoutKey(body["metadata"]),
    reasoning_effort: memberOf(fieldOf(body, "reasoning"), "effort"),
    response_format: responseFormat(fieldOf(body, "text")),
    tool_choice: chatToolChoice(fieldOf(body, "tool_choice")),
    tools: chatTools(fieldOf(body, "tools")),
    verbosity: memberOf(fieldOf(body, "text"), "verbosity"),
  };
  const all = [...passed, ...Object.entries(translated)];
  const given = all.filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(given) as Record<string, JsonValue>;
}

function instructionsOf(field: Field): string | undefined {
  return isAbsent(field) ? undefined : requireText(field);
}

function memberOf(parent: Field, name: string): string | undefined {
  if (isAbsent(parent)) return undefined;
  const field = fieldOf(requireObject(parent), name, parent.path);
  return isAbsent(field) ? undefined : requireText(field);
}

/** `text.format` names a schema's parts beside its type, `response_format` one level deeper. */
function responseFormat(text: Field): object | undefined {
  if (isAbsent(text)) return undefined;
  const field = fieldOf(requireObject(text), "format", text.path);
  if (isAbsent(field)) return undefined;
  const { type, ...rest } = requireObject(field);
  switch (type) {
    case "text":
    case "json_object":
      return { type };
    case "json_schema":
      return { type, json_schema: requireSchema(field, rest) };
    default:
      throw invalid(`${field.path}.type`, "must be text, json_object or json_schema");
  }
}

function requireSchema({ path }: Field, schema: JsonObject): JsonObject {
  requireText(fieldOf(schema, "name", path));
  if (!isObject(schema["schema"])) throw invalid(`${path}.schema`, "must be an object");
  return schema;
}
