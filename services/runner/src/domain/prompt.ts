/**
 * What a turn's model is told first: the agent's prompt, then the instructions of the request. They
 * hold for this turn alone, so they stand in no transcript.
 */
export function promptOf(
  agent: { readonly systemPrompt: string },
  { parameters }: { readonly parameters: { readonly [name: string]: unknown } },
): string {
  const { instructions } = parameters;
  const texts = [agent.systemPrompt, typeof instructions === "string" ? instructions : ""];
  return texts.filter((text) => text !== "").join("\n\n");
}
