import OpenAI from "openai";
import { cityOf, type ConformingClient, type Lane, WEATHER } from "../conforming.ts";

function clientOf({ baseUrl, apiKey, key }: Lane): OpenAI {
  const defaultHeaders = { "x-session-key": key };
  return new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey, defaultHeaders });
}

const TOOL = { type: "function" as const, ...WEATHER, strict: true };

/** The `openai` package, responses. */
export const openAiResponses: ConformingClient = {
  name: "openai, responses",
  async say(lane, text) {
    return (await clientOf(lane).responses.create({ model: "lanekeeper", input: text }))
      .output_text;
  },
  async *stream(lane, text, signal) {
    const body = { model: "lanekeeper", input: text, stream: true } as const;
    const options = signal === undefined ? {} : { signal };
    for await (const event of await clientOf(lane).responses.create(body, options)) {
      if (event.type === "response.output_text.delta") yield event.delta;
      if (event.type === "response.failed") throw new Error(event.response.error?.code);
    }
  },
  async useWeather(lane, text, weather) {
    const client = clientOf(lane);
    const ask = { model: "lanekeeper", tools: [TOOL] };
    const first = await client.responses.create({ ...ask, input: text });
    const outputs = first.output.flatMap((item) => {
      if (item.type !== "function_call") return [];
      const output = weather(cityOf(item.arguments));
      return [{ type: "function_call_output" as const, call_id: item.call_id, output }];
    });
    const previous_response_id = first.id;
    const last = await client.responses.create({ ...ask, previous_response_id, input: outputs });
    return last.output_text;
  },
};
