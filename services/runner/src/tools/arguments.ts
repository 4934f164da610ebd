import type { z } from "zod";

import type { ToolOutcome } from "./tool.ts";

/** Arguments that fit, or what the model is told of those that do not. */
export type ParsedArguments<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly outcome: ToolOutcome };

/** Reads what a model wrote as arguments; it may be anything. */
export function parseArguments<T>(schema: z.ZodType<T>, argumentsJson: string): ParsedArguments<T> {
  const json = parseJson(argumentsJson);
  if (json === undefined) return refuse("the arguments are not JSON");
  const parsed = schema.safeParse(json.value);
  if (parsed.success) return { ok: true, value: parsed.data };
  const issues = parsed.error.issues.map(
    ({ path, message }) => `${path.join(".") || "arguments"}: ${message}`,
  );
  return refuse(issues.join("; "));
}

function refuse(text: string): { ok: false; outcome: ToolOutcome } {
  return { ok: false, outcome: { text: `INVALID_REQUEST: ${text}`, isError: true } };
}

function parseJson(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}
