import type { TestConstellation } from "@lanekeeper/testing";
import OpenAI from "openai";

/** The `openai` package as users have it, without its retries: what the server says is what is seen. */
export function openAi(constellation: Pick<TestConstellation, "baseUrl" | "apiKey">): OpenAI {
  const { baseUrl, apiKey } = constellation;
  return new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey, maxRetries: 0 });
}

/** The `lanekeeper` object of an answer. */
export interface Receipt {
  readonly session_key: string;
  readonly session_id: string;
  readonly generation: number;
  readonly turn_id: string;
  readonly run_id: string;
  readonly disposition: string;
}

/** One exchange: what was answered, and the receipt. */
export interface Answer {
  readonly text: string;
  readonly receipt: Receipt;
  readonly headers: Headers;
}

export type Said = OpenAI.ChatCompletionMessageParam;

export const user = (content: string): Said => ({ role: "user", content });
export const assistant = (content: string): Said => ({ role: "assistant", content });

/** Says something under a session key and returns the whole answer. */
export async function say(
  client: OpenAI,
  key: string,
  messages: string | Said[],
  headers: Record<string, string> = {},
): Promise<Answer> {
  const said = typeof messages === "string" ? [user(messages)] : messages;
  const { data, response } = await client.chat.completions
    .create(
      { model: "lanekeeper", messages: said },
      { headers: { "x-session-key": key, ...headers } },
    )
    .withResponse();
  return {
    text: data.choices[0]?.message.content ?? "",
    receipt: (data as unknown as { lanekeeper: Receipt }).lanekeeper,
    headers: response.headers,
  };
}
