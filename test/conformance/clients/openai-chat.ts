import OpenAI from "openai";
import { cityOf, type ConformingClient, type Lane, WEATHER } from "../conforming.ts";

function clientOf({ baseUrl, apiKey, key }: Lane): OpenAI {
  const defaultHeaders = { "x-session-key": key };
  return new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey, defaultHeaders });
}

/** The `openai` package, chat completions. It says how often it has tried, and sends no key. */
export const openAiChat: ConformingClient = {
  name: "openai, chat completions",
  async say(lane, text) {
    const answer = await clientOf(lane).chat.completions.create({
      model: "lanekeeper",
      messages: [{ role: "user", content: text }],
    });
    return answer.choices[0]?.message.content ?? "";
  },
  async *stream(lane, text, signal) {
    const chunks = await clientOf(lane).chat.completions.create(
      {
        model: "lanekeeper",
        messages: [{ role: "user", content: text }],
        stream: true,
        stream_options: { include_usage: true },
      },
      signal === undefined ? {} : { signal },
    );
    for await (const { choices } of chunks) yield choices[0]?.delta.content ?? "";
  },
  async useWeather(lane, text, weather) {
    const runner = clientOf(lane).chat.completions.runTools({
      model: "lanekeeper",
      messages: [{ role: "user", content: text }],
      tools: [
        {
          type: "function",
          function: { ...WEATHER, parse: cityOf, function: (city: string) => weather(city) },
        },
      ],
    });
    return (await runner.finalContent()) ?? "";
  },
};
