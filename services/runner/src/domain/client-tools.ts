/**
 * The tools that a client offered with its request, in the shape of OpenAI's chat completions: only
 * calls of these may be handed to it. A name that nobody offered is the model's invention.
 */
export function clientToolNames(parameters: { readonly [name: string]: unknown }): Set<string> {
  const offered = parameters["tools"];
  return new Set(
    Array.isArray(offered) ? offered.flatMap((tool) => clientToolName(tool) ?? []) : [],
  );
}

/** Clients send whatever they like as a tool. */
export function clientToolName(tool: unknown): string | undefined {
  const name = (tool as { function?: { name?: unknown } } | null)?.function?.name;
  return typeof name === "string" ? name : undefined;
}
