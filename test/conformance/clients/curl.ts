import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { cityOf, type ConformingClient, type Lane, WEATHER } from "../conforming.ts";

interface ToolCall {
  readonly id: string;
  readonly function: { readonly arguments: string };
}

interface Message {
  readonly role: string;
  readonly content: string | null;
  readonly tool_calls?: readonly ToolCall[];
}

/** False on a machine that has nothing but Node. */
export const hasCurl = spawnSync("curl", ["--version"]).status === 0;

function start(lane: Lane, body: object, signal?: AbortSignal) {
  const args = [
    "--silent",
    "--show-error",
    "--no-buffer",
    ...["--retry", "5", "--retry-all-errors", "--retry-delay", "1"],
    ...["--header", `Authorization: Bearer ${lane.apiKey}`],
    ...["--header", "Content-Type: application/json"],
    ...["--header", `X-Session-Key: ${lane.key}`],
    ...["--header", `Idempotency-Key: ${randomUUID()}`],
    ...["--data", JSON.stringify({ model: "lanekeeper", ...body })],
    `${lane.baseUrl}/v1/chat/completions`,
  ];
  const stdio: ["ignore", "pipe", "ignore"] = ["ignore", "pipe", "ignore"];
  const child = spawn("curl", args, { stdio });
  signal?.addEventListener("abort", () => child.kill("SIGINT"), { once: true });
  return child;
}

async function ask(lane: Lane, body: object): Promise<Message> {
  const chunks: Buffer[] = [];
  for await (const chunk of start(lane, body).stdout) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString("utf8");
  const { choices } = JSON.parse(text) as { choices?: { message: Message }[] };
  if (choices?.[0] === undefined) throw new Error(text);
  return choices[0].message;
}

const said = (content: string): Message => ({ role: "user", content });

/** The `curl` of this machine, with retries as its manual has them. */
export const curl: ConformingClient = {
  name: "curl",
  async say(lane, text) {
    return (await ask(lane, { messages: [said(text)] })).content ?? "";
  },
  async *stream(lane, text, signal) {
    const { stdout } = start(lane, { messages: [said(text)], stream: true }, signal);
    for await (const line of createInterface({ input: stdout })) {
      if (!line.startsWith("data: {")) continue;
      const { error, choices } = JSON.parse(line.slice(6)) as {
        error?: { code: string };
        choices?: { delta: { content?: string } }[];
      };
      if (error !== undefined) throw new Error(error.code);
      yield choices?.[0]?.delta.content ?? "";
    }
    if (signal?.aborted === true) throw new Error("aborted");
  },
  async useWeather(lane, text, weather) {
    const tools = [{ type: "function", function: WEATHER }];
    const messages: object[] = [said(text)];
    for (;;) {
      const answer = await ask(lane, { messages, tools });
      messages.push(answer);
      if (answer.tool_calls === undefined) return answer.content ?? "";
      for (const call of answer.tool_calls) {
        const content = weather(cityOf(call.function.arguments));
        messages.push({ role: "tool", tool_call_id: call.id, content });
      }
    }
  },
};
