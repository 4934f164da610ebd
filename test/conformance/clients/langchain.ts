import { randomUUID } from "node:crypto";
import { type BaseMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import { type ConformingClient, type Lane, WEATHER } from "../conforming.ts";

function modelOf({ baseUrl, apiKey, key }: Lane, headers: Record<string, string> = {}) {
  const defaultHeaders = { "x-session-key": key, ...headers };
  return new ChatOpenAI({
    model: "lanekeeper",
    apiKey,
    configuration: { baseURL: `${baseUrl}/v1`, defaultHeaders },
  });
}

/** Its retries do not say that they are some. */
const once = () => ({ "idempotency-key": randomUUID() });

/** LangChain's ChatOpenAI. */
export const langChain: ConformingClient = {
  name: "LangChain",
  async say(lane, text) {
    return (await modelOf(lane, once()).invoke(text)).text;
  },
  async *stream(lane, text, signal) {
    const options = signal === undefined ? {} : { signal };
    for await (const chunk of await modelOf(lane, once()).stream(text, options)) yield chunk.text;
  },
  async useWeather(lane, text, weather) {
    const model = modelOf(lane).bindTools([{ type: "function", function: WEATHER }]);
    const messages: BaseMessage[] = [new HumanMessage(text)];
    for (;;) {
      const answer = await model.invoke(messages);
      messages.push(answer);
      const calls = answer.tool_calls ?? [];
      if (calls.length === 0) return answer.text;
      for (const { id = "", args } of calls) {
        const content = weather(String(args["city"]));
        messages.push(new ToolMessage({ tool_call_id: id, content }));
      }
    }
  },
};
