import { randomUUID } from "node:crypto";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { type ConformingClient, type Lane, WEATHER } from "../conforming.ts";

function modelOf({ baseUrl, apiKey, key }: Lane) {
  const headers = { "x-session-key": key };
  const options = { name: "lanekeeper", baseURL: `${baseUrl}/v1`, apiKey, headers };
  return createOpenAICompatible({ ...options, includeUsage: true })("lanekeeper");
}

/** Its retries do not say that they are some. */
const once = () => ({ "idempotency-key": randomUUID() });

/** Vercel's AI SDK with its provider for OpenAI-compatible endpoints. */
export const aiSdk: ConformingClient = {
  name: "AI SDK",
  async say(lane, text) {
    return (await generateText({ model: modelOf(lane), prompt: text, headers: once() })).text;
  },
  async *stream(lane, text, signal) {
    const { fullStream } = streamText({
      model: modelOf(lane),
      prompt: text,
      headers: once(),
      // Told below; its default writes to the console.
      onError: () => undefined,
      ...(signal === undefined ? {} : { abortSignal: signal }),
    });
    for await (const part of fullStream) {
      if (part.type === "text-delta") yield part.text;
      if (part.type === "error") throw part.error;
      if (part.type === "abort") throw new Error("aborted");
    }
  },
  async useWeather(lane, text, weather) {
    const { description, parameters } = WEATHER;
    const { text: answer } = await generateText({
      model: modelOf(lane),
      prompt: text,
      tools: {
        weather: tool({
          description,
          inputSchema: jsonSchema<{ city: string }>(parameters),
          execute: async ({ city }) => weather(city),
        }),
      },
      stopWhen: stepCountIs(3),
    });
    return answer;
  },
};
