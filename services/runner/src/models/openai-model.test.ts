import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { create } from "@bufbuild/protobuf";
import { MessageSchema, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { Clock } from "@lanekeeper/service";
import { ManualClock } from "@lanekeeper/service/testing";
import { eventually } from "@lanekeeper/testing";
import { afterEach, expect, test, vi } from "vitest";

import { LIMITS } from "../limits.ts";
import type { ModelEvent } from "./model.ts";
import { OpenAiModel } from "./openai-model.ts";

type Answer = (response: ServerResponse, attempt: number) => void;
const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function modelThat(answer: Answer, silenceTimeoutMs = 5_000, clock?: Clock) {
  const bodies: Record<string, unknown>[] = [];
  const headers: IncomingMessage["headers"][] = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    bodies.push(JSON.parse(text));
    headers.push(request.headers);
    answer(response, bodies.length);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const endpoint = { baseUrl, model: "m", apiKey: "secret", publicOnly: false, silenceTimeoutMs };
  const model = new OpenAiModel(endpoint, clock);
  return { model, bodies, headers, baseUrl };
}

const chunk = (delta: object, finishReason: string | null = null) =>
  `data: ${JSON.stringify({ model: "m-1", choices: [{ index: 0, delta, finish_reason: finishReason }] })}\n\n`;
const usage = `data: ${JSON.stringify({ model: "m-1", choices: [], usage: { prompt_tokens: 7, completion_tokens: 2 } })}\n\n`;
const done = "data: [DONE]\n\n";
const sse = { "content-type": "text/event-stream" };

async function ask(model: OpenAiModel, signal = new AbortController().signal) {
  const message = create(MessageSchema, {
    role: Role.USER,
    parts: [{ content: { case: "text", value: "hi" } }],
  });
  const events: ModelEvent[] = [];
  const parameters = { temperature: 0.5, metadata: { session_key: "x" }, model: "lanekeeper" };
  const tools = [{ name: "t", description: "d", parameters: { type: "object" } }];
  for await (const event of model.stream({ messages: [message], tools, parameters, signal })) {
    events.push(event);
  }
  return events;
}

test("streams text, usage and the model's name; passes parameters on, but not ours", async () => {
  const { model, bodies, headers } = await modelThat((response) => {
    response.writeHead(200, sse);
    response.end(
      chunk({ content: "he" }) + chunk({ content: "llo" }) + chunk({}, "stop") + usage + done,
    );
  });
  expect(await ask(model)).toEqual([
    { type: "text", text: "he" },
    { type: "text", text: "llo" },
    { type: "end", finishReason: "stop", inputTokens: 7, outputTokens: 2, model: "m-1" },
  ]);
  expect(bodies[0]).toMatchObject({
    model: "m",
    temperature: 0.5,
    messages: [{ role: "user", content: "hi" }],
    tools: [{ type: "function", function: { name: "t" } }],
  });
  expect(bodies[0]).not.toHaveProperty("metadata");
  expect(headers[0]?.authorization).toBe("Bearer secret");
});

test("puts tool calls together from their pieces", async () => {
  const piece = (call: object) => chunk({ tool_calls: [{ index: 0, ...call }] });
  const { model } = await modelThat((response) => {
    response.writeHead(200, sse);
    response.end(
      piece({ id: "c1", type: "function", function: { name: "t", arguments: '{"a"' } }) +
        piece({ function: { arguments: ":1}" } }) +
        chunk({}, "tool_calls") +
        done,
    );
  });
  expect(await ask(model)).toMatchObject([
    { type: "tool_call", call: { callId: "c1", name: "t", argumentsJson: '{"a":1}' } },
    { type: "end", finishReason: "tool_calls" },
  ]);
});

test("asks again before the first chunk, and only then", async () => {
  const { model, bodies } = await modelThat((response, attempt) => {
    if (attempt === 1) return response.writeHead(503, { "retry-after-ms": "1" }).end();
    response.writeHead(200, sse);
    return response.write(chunk({ content: "he" }), () => response.destroy());
  });
  await expect(ask(model)).rejects.toMatchObject({ reason: "MODEL_STREAM_CUT" });
  expect(bodies).toHaveLength(2);
});

test("a stream that ends cleanly without a finish reason was cut", async () => {
  const { model } = await modelThat((response) => {
    response.writeHead(200, sse);
    response.end(chunk({ content: "he" }));
  });
  await expect(ask(model)).rejects.toMatchObject({ reason: "MODEL_STREAM_CUT" });
});

test("a refusal is MODEL_FAILED and tells the status", async () => {
  const { model } = await modelThat((response) => {
    response.writeHead(400, { "content-type": "application/json" });
    response.end('{"error":{"message":"no such model"}}');
  });
  await expect(ask(model)).rejects.toMatchObject({
    reason: "MODEL_FAILED",
    message: expect.stringContaining("400 no such model"),
  });
});

test("an endpoint that repeats its key in a refusal does not tell it to the caller", async () => {
  const { model } = await modelThat((response) => {
    response.writeHead(401, { "content-type": "application/json" });
    const message = "Incorrect API key provided: Bearer secret, or sk-abc123def456";
    response.end(JSON.stringify({ error: { message } }));
  });
  const error = await ask(model).catch((thrown: unknown) => thrown as Error);
  expect(error).toMatchObject({ reason: "MODEL_FAILED" });
  expect((error as Error).message).toContain("401 Incorrect API key provided");
  expect((error as Error).message).not.toMatch(/Bearer secret|sk-abc/);
});

test("an endpoint that sends garbage writes nothing to the console", async () => {
  const written = vi.spyOn(console, "error").mockReturnValue();
  const { model } = await modelThat((response) => {
    response.writeHead(200, sse);
    response.end("data: {not json}\n\n");
  });
  await expect(ask(model)).rejects.toMatchObject({ reason: "MODEL_STREAM_CUT" });
  expect(written).not.toHaveBeenCalled();
  written.mockRestore();
});

test("silence before and within a stream is MODEL_TIMEOUT", async () => {
  const silent = await modelThat(() => {}, 50);
  await expect(ask(silent.model)).rejects.toMatchObject({ reason: "MODEL_TIMEOUT" });
  const stalled = await modelThat((response) => {
    response.writeHead(200, sse);
    response.write(chunk({ content: "he" }));
  }, 50);
  await expect(ask(stalled.model)).rejects.toMatchObject({ reason: "MODEL_TIMEOUT" });
});

test("comments that keep the connection alive are silence", async () => {
  const { model } = await modelThat((response) => {
    response.writeHead(200, sse);
    const timer = setInterval(() => response.write(": OPENROUTER PROCESSING\n\n"), 5);
    response.on("close", () => clearInterval(timer));
  }, 60);
  await expect(ask(model)).rejects.toMatchObject({ reason: "MODEL_TIMEOUT" });
});

test("empty chunks are no silence, and for ever they are MODEL_TIMEOUT, which names the bound", async () => {
  const clock = new ManualClock();
  const looked = vi.spyOn(clock, "monotonicMs");
  let endpoint: ServerResponse | undefined;
  const { model } = await modelThat(
    (response) => {
      endpoint = response.writeHead(200, sse);
    },
    LIMITS.modelCallMs / 4,
    clock,
  );
  const asked = ask(model).catch((error: unknown) => error);
  await eventually(() => endpoint !== undefined);
  let isOver = false;
  void asked.then(() => {
    isOver = true;
  });
  for (let nth = 1; nth < 8; nth++) {
    await clock.advance(LIMITS.modelCallMs / 8);
    const before = looked.mock.calls.length;
    endpoint?.write(chunk({ content: "", reasoning_content: "" }));
    await eventually(() => looked.mock.calls.length > before);
  }
  expect(isOver).toBe(false);
  await clock.advance(LIMITS.modelCallMs / 8);
  expect(await asked).toMatchObject({
    reason: "MODEL_TIMEOUT",
    message: expect.stringContaining(
      `${LIMITS.modelCallMs} ms, the longest that one call may take`,
    ),
  });
});

test("an endpoint that asks for a long wait is not waited for", async () => {
  const { model, bodies } = await modelThat((response) => {
    response.writeHead(429, { "retry-after": "86400" }).end();
  });
  await expect(ask(model)).rejects.toMatchObject({
    reason: "MODEL_FAILED",
    message: expect.stringContaining("429"),
  });
  expect(bodies).toHaveLength(1);
});

test("the turn's signal ends the call at once between two tries as well", async () => {
  const controller = new AbortController();
  const startedMs = performance.now();
  const { model, bodies } = await modelThat((response) => {
    response.writeHead(429, { "retry-after": "30" });
    response.end(() => setTimeout(() => controller.abort(new Error("cancelled")), 100));
  });
  await expect(ask(model, controller.signal)).rejects.toThrow("cancelled");
  expect(bodies).toHaveLength(1);
  expect(performance.now() - startedMs).toBeLessThan(20_000);
});

test("the turn's signal ends the call with its own reason", async () => {
  const controller = new AbortController();
  const { model } = await modelThat((response) => {
    response.writeHead(200, sse);
    response.write(chunk({ content: "he" }), () => controller.abort(new Error("rotated away")));
  });
  await expect(ask(model, controller.signal)).rejects.toThrow("rotated away");
});

test("calls without an id, or of one index, as some endpoints send them, are told apart", async () => {
  const call = (index: number, more: object) => chunk({ tool_calls: [{ index, ...more }] });
  const fn = (name: string, args: string) => ({ function: { name, arguments: args } });
  const { model } = await modelThat((response) => {
    response.writeHead(200, sse);
    response.end(
      call(0, { id: "a", ...fn("one", '{"x":') }) +
        call(0, { function: { arguments: "1}" } }) +
        call(0, { id: "b", ...fn("two", "{}") }) +
        call(1, { id: "", ...fn("three", "{}") }) +
        call(2, { function: { name: "four" } }) +
        chunk({}, "tool_calls") +
        done,
    );
  });
  const calls = (await ask(model)).flatMap((event) =>
    event.type === "tool_call" ? [event.call] : [],
  );
  expect(calls.map(({ name, argumentsJson }) => [name, argumentsJson])).toEqual([
    ["one", '{"x":1}'],
    ["two", "{}"],
    ["three", "{}"],
    ["four", "{}"],
  ]);
  const ids = calls.map(({ callId }) => callId);
  expect(ids.slice(0, 2)).toEqual(["a", "b"]);
  expect(new Set(ids).size).toBe(4);
  for (const id of ids) expect(id).toMatch(/^[\w-]+$/);
});

test("a client's tool of the name of one of the agent's own is not offered beside it: providers refuse a name twice", async () => {
  const { model, bodies } = await modelThat((response) => {
    response.writeHead(200, sse);
    response.end(chunk({ content: "ok" }, "stop") + done);
  });
  const theirs = (name: string) => ({ type: "function", function: { name, description: "x" } });
  const parameters = { tools: [theirs("a"), theirs("t")] };
  const tools = [{ name: "t", description: "d", parameters: { type: "object" } }];
  const { signal } = new AbortController();
  for await (const event of model.stream({ messages: [], tools, parameters, signal })) {
    if (event.type === "end") break;
  }
  expect(bodies[0]?.["tools"]).toEqual([theirs("a"), { type: "function", function: tools[0] }]);
});

test("an answer without words and calls is not shown again: some endpoints refuse a conversation that holds one", async () => {
  const { model, bodies } = await modelThat((response) => {
    response.writeHead(200, sse);
    response.end(chunk({ content: "ok" }, "stop") + done);
  });
  const said = (role: Role, value: string) =>
    create(MessageSchema, { role, parts: [{ content: { case: "text", value } }] });
  const messages = [said(Role.USER, "hi"), said(Role.ASSISTANT, ""), said(Role.USER, "again")];
  const { signal } = new AbortController();
  const stream = model.stream({ messages, tools: [], parameters: {}, signal });
  for await (const event of stream) if (event.type === "end") break;
  expect(bodies[0]?.["messages"]).toEqual([
    { role: "user", content: "hi" },
    { role: "user", content: "again" },
  ]);
});

test("a chunk without a delta, as Azure sends where it filters beside the stream, cuts nothing off", async () => {
  const filtered = `data: ${JSON.stringify({ model: "m-1", choices: [{ index: 0, finish_reason: null }] })}\n\n`;
  const { model } = await modelThat((response) => {
    response.writeHead(200, sse);
    response.end(chunk({ content: "he" }) + filtered + chunk({ content: "llo" }, "stop") + done);
  });
  const texts = (await ask(model)).map((event) =>
    event.type === "text" ? event.text : event.type,
  );
  expect(texts).toEqual(["he", "llo", "end"]);
});

test("a chunk without choices, as some endpoints send with the usage, cuts nothing off", async () => {
  const counted = `data: ${JSON.stringify({ model: "m-1", usage: { prompt_tokens: 7, completion_tokens: 2 } })}\n\n`;
  const { model } = await modelThat((response) => {
    response.writeHead(200, sse);
    response.end(chunk({ content: "hello" }, "stop") + counted + done);
  });
  expect(await ask(model)).toMatchObject([
    { type: "text", text: "hello" },
    { type: "end", finishReason: "stop", inputTokens: 7, outputTokens: 2 },
  ]);
});

test("a model that refuses is heard: what it says stood beside the content, and the answer was empty", async () => {
  const { model } = await modelThat((response) => {
    response.writeHead(200, sse);
    response.end(
      chunk({ content: null, refusal: "I cannot " }) +
        chunk({ refusal: "do that." }) +
        chunk({}, "stop") +
        done,
    );
  });
  expect(await ask(model)).toMatchObject([
    { type: "text", text: "I cannot " },
    { type: "text", text: "do that." },
    { type: "end", finishReason: "stop" },
  ]);
});

test("what people say into a microphone is told as audio; as a file endpoints refuse it", async () => {
  const { model, bodies } = await modelThat((response) => {
    response.writeHead(200, sse);
    response.end(chunk({ content: "ok" }, "stop") + done);
  });
  const file = (mediaType: string, uri: string) => ({
    content: {
      case: "file" as const,
      value: { source: { case: "uri" as const, value: uri }, mediaType },
    },
  });
  const parts = [
    file("audio/wav", "data:audio/wav;base64,UklGRg=="),
    file("audio/mpeg", "data:audio/mpeg;base64,SUQz"),
    file("audio/ogg", "data:audio/ogg;base64,T2dn"),
    {
      content: {
        case: "file" as const,
        value: {
          source: { case: "data" as const, value: Buffer.from("ID3") },
          mediaType: "audio/mpeg",
        },
      },
    },
  ];
  const messages = [create(MessageSchema, { role: Role.USER, parts })];
  const { signal } = new AbortController();
  const stream = model.stream({ messages, tools: [], parameters: {}, signal });
  for await (const event of stream) if (event.type === "end") break;
  expect(bodies[0]?.["messages"]).toMatchObject([
    {
      content: [
        { type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } },
        { type: "input_audio", input_audio: { data: "SUQz", format: "mp3" } },
        { type: "file", file: { file_data: "data:audio/ogg;base64,T2dn" } },
        { type: "input_audio", input_audio: { data: "SUQz", format: "mp3" } },
      ],
    },
  ]);
});

test("of what an endpoint sends, that has another type than it should is left out", async () => {
  const odd = (value: object) => `data: ${JSON.stringify(value)}\n\n`;
  const { model } = await modelThat((response) => {
    response.writeHead(200, sse);
    response.write(odd({ model: { a: 1 }, choices: [{ delta: { content: [{ text: "x" }] } }] }));
    response.write(chunk({ content: { text: "x" }, tool_calls: { index: 0 } }));
    response.write(chunk({ tool_calls: [null, { index: 0, id: 7, function: { name: ["t"] } }] }));
    response.write(odd({ choices: [{ delta: { content: "hi" }, finish_reason: { a: 1 } }] }));
    response.end(chunk({}, "stop") + done);
  });
  expect(await ask(model)).toMatchObject([
    { type: "text", text: "hi" },
    { type: "tool_call", call: { name: "", argumentsJson: "{}" } },
    { type: "end", finishReason: "stop", model: "m-1" },
  ]);
});

test("an event, an answer or calls of more bytes than they may have end the call", async () => {
  const much = "x".repeat(1024 * 1024);
  const endless = (status: number, text: string) =>
    modelThat((response) => {
      response.writeHead(status, { "content-type": "text/plain" });
      const write = (): void => {
        if (!response.destroyed) response.write(text, () => setImmediate(write));
      };
      write();
    });
  const line = await endless(200, much);
  await expect(ask(line.model)).rejects.toMatchObject({ reason: "MODEL_STREAM_CUT" });
  const refusal = await endless(400, much);
  await expect(ask(refusal.model)).rejects.toMatchObject({ reason: "MODEL_FAILED" });
  const calls = await endless(
    200,
    chunk({ tool_calls: [{ index: 0, function: { arguments: much.slice(0, 500_000) } }] }),
  );
  await expect(ask(calls.model)).rejects.toMatchObject({
    reason: "MODEL_FAILED",
    message: expect.stringContaining("bytes"),
  });
});

test("a redirect to another origin is not followed, and its words are told on one line", async () => {
  const inside = await modelThat((response) => response.end());
  const { port } = new URL(inside.baseUrl);
  const { model } = await modelThat((response) => {
    response.writeHead(307, { location: `http://127.0.0.1:${port}/v1/chat/completions` });
    response.end("go\u0000 away\u001b[2J\nnow");
  });
  const message = "the model endpoint answered 307 go away [2J now";
  await expect(ask(model)).rejects.toMatchObject({ reason: "MODEL_FAILED", message });
  expect(inside.bodies).toEqual([]);
});
