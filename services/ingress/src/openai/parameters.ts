import type { JsonObject as ProtoJsonObject, JsonValue } from "@bufbuild/protobuf";
import { invalid } from "@lanekeeper/rpc";
import { isObject, type JsonObject } from "../http/json-body.ts";
import { fieldOf, isAbsent } from "./field.ts";

/** Fields that are answered here; all others, known or not, are the model's. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "conversation",
  "messages",
  "metadata",
  "model",
  "n",
  "stream",
  "stream_options",
]);

/**
 * Numbers in every provider's schema. Refused here if they are none: a provider refuses them only
 * when the turn runs, after it was accepted. Their ranges differ, and are the provider's to judge.
 */
const NUMBERS = [
  "temperature",
  "top_p",
  "max_tokens",
  "max_completion_tokens",
  "seed",
  "presence_penalty",
  "frequency_penalty",
];

/** What goes on to the model as it came. @throws INVALID_REQUEST naming the field */
export function parametersOf(body: JsonObject): ProtoJsonObject {
  for (const name of NUMBERS) requireNumber(body, name);
  const passed = Object.entries(body).filter(([name]) => !OWN_FIELDS.has(name));
  const metadata = metadataWithoutKey(body["metadata"]);
  if (metadata !== undefined) passed.push(["metadata", metadata]);
  return Object.fromEntries(passed) as Record<string, JsonValue>;
}

/** @throws INVALID_REQUEST naming the field */
export function requireNumber(body: JsonObject, name: string): void {
  const field = fieldOf(body, name);
  if (isAbsent(field) || typeof field.value === "number") return;
  throw invalid(field.path, "must be a number");
}

/** Our key is none of the model provider's business. */
export function metadataWithoutKey(metadata: unknown): unknown {
  if (!isObject(metadata)) return metadata ?? undefined;
  const rest = Object.entries(metadata).filter(([name]) => name !== "session_key");
  return rest.length === 0 ? undefined : Object.fromEntries(rest);
}
