import OpenAI from "openai";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask } from "../../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../../testing/test-ingress.ts";

let lane: TestIngress;
let client: OpenAI;

const clientOf = ({ apiKey, url }: TestIngress) =>
  new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 });

beforeEach(async () => {
  lane = await startTestIngress();
  client = clientOf(lane);
});

afterEach(async () => {
  await lane[Symbol.asyncDispose]();
});

const KITCHEN = { headers: { "x-session-key": "kitchen" } };

const WEATHER = {
  type: "function" as const,
  name: "weather",
  parameters: { type: "object" },
  strict: true,
};

describe("a response in one piece", () => {
  test("is OpenAI's object, and says what was asked", async () => {
    const { data, response } = await client.responses
      .create(
        {
          model: "openclaw/main",
          input: "Hi",
          instructions: "Be brief.",
          tools: [WEATHER],
          tool_choice: { type: "function", name: "weather" },
          temperature: 0.5,
          max_output_tokens: 100,
          text: { format: { type: "json_schema", name: "s", schema: { type: "object" } } },
          reasoning: { effort: "low" },
          metadata: { theme: "dark", session_key: "kitchen" },
        },
        KITCHEN,
      )
      .withResponse();
    const { turnId, runId } = lane.runner.last;
    expect(data).toMatchObject({
      id: `resp_${turnId}`,
      object: "response",
      status: "completed",
      model: "openclaw/main",
      output_text: "Hello, world",
      output: [
        {
          id: `msg_${turnId}`,
          type: "message",
          role: "assistant",
          status: "completed",
          content: [{ type: "output_text", text: "Hello, world", annotations: [], logprobs: [] }],
        },
      ],
      conversation: { id: "kitchen" },
      instructions: "Be brief.",
      temperature: 0.5,
      max_output_tokens: 100,
      metadata: { theme: "dark" },
      reasoning: { effort: "low", summary: null },
      text: { format: { type: "json_schema", name: "s", schema: { type: "object" } } },
      tools: [{ ...WEATHER, description: null }],
      tool_choice: { type: "function", name: "weather" },
      error: null,
      incomplete_details: null,
      background: false,
      store: true,
      usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
      lanekeeper: { session_key: "agent:main:kitchen", turn_id: turnId, run_id: runId },
    });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "x-lane-disposition": "started",
      "x-session-key": "agent:main:kitchen",
      "x-turn-id": turnId,
    });
  });

  test("goes to the model in the words of chat completions", async () => {
    await client.responses.create({
      model: "lanekeeper",
      input: "Hi",
      instructions: "Be brief.",
      tools: [WEATHER],
      tool_choice: "auto",
      top_p: 0.25,
      max_output_tokens: 100,
      text: { format: { type: "json_object" }, verbosity: "low" },
      reasoning: { effort: "low" },
      parallel_tool_calls: false,
      include: ["reasoning.encrypted_content"],
      truncation: "auto",
    });
    const { type: _type, ...fn } = WEATHER;
    expect(lane.runner.last.submit.parameters).toEqual({
      model: "lanekeeper",
      instructions: "Be brief.",
      tools: [{ type: "function", function: fn }],
      tool_choice: "auto",
      top_p: 0.25,
      max_completion_tokens: 100,
      response_format: { type: "json_object" },
      verbosity: "low",
      reasoning_effort: "low",
      parallel_tool_calls: false,
    });
  });

  test("that was cut says so", async () => {
    lane.runner.script = (turn) => turn.begin().say("Hel").complete({ finishReason: "length" });
    const cut = await client.responses.create({ model: "lanekeeper", input: "Hi" });
    expect(cut).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      output: [{ status: "incomplete" }],
    });
  });

  test("of a turn that failed is an error with the turn's id", async () => {
    lane.runner.script = (turn) =>
      turn.begin().end({ state: TurnState.FAILED, errorReason: "MODEL_FAILED" });
    const { status, json, headers } = await ask(lane, {
      path: "/v1/responses",
      body: { model: "lanekeeper", input: "Hi" },
    });
    expect(status).toBe(502);
    expect(headers["x-should-retry"]).toBe("false");
    const { turnId } = lane.runner.last;
    expect(json).toMatchObject({
      error: { code: "MODEL_FAILED", lanekeeper: { turn_id: turnId } },
    });
  });
});

describe("input items", () => {
  test("of all kinds become the messages of the turn; calls of one answer are one message", async () => {
    const input = [
      { role: "developer", content: "Use metres." },
      {
        type: "message",
        role: "user",
        content: [
          { type: "input_text", text: "What is this?" },
          { type: "input_image", image_url: "https://example.org/cat.png", detail: "auto" },
          { type: "input_file", filename: "a.txt", file_data: "data:text/plain;base64,aGk=" },
        ],
      },
      { type: "reasoning", id: "rs_1", summary: [] },
      {
        id: "msg_1",
        type: "message",
        role: "assistant",
        status: "completed",
        content: [{ type: "output_text", text: "Let me look.", annotations: [] }],
      },
      { type: "function_call", call_id: "c1", name: "weather", arguments: "{}" },
      { type: "function_call", call_id: "c2", name: "weather", arguments: "{}" },
      { type: "function_call_output", call_id: "c1", output: "sun" },
      {
        type: "function_call_output",
        call_id: "c2",
        output: [
          { type: "input_text", text: "ra" },
          { type: "input_text", text: "in" },
        ],
      },
    ];
    const { status } = await ask(lane, {
      path: "/v1/responses",
      body: { model: "lanekeeper", input },
    });
    expect(status).toBe(200);
    const part = (kind: string, value: unknown) => ({ content: { case: kind, value } });
    expect(lane.runner.last.submit.messages).toMatchObject([
      { role: Role.SYSTEM, parts: [part("text", "Use metres.")] },
      {
        role: Role.USER,
        parts: [
          part("text", "What is this?"),
          part("file", { mediaType: "image/*" }),
          part("file", { mediaType: "text/plain", fileName: "a.txt" }),
        ],
      },
      {
        role: Role.ASSISTANT,
        parts: [
          part("text", "Let me look."),
          part("toolCall", { callId: "c1" }),
          part("toolCall", { callId: "c2" }),
        ],
      },
      { role: Role.TOOL, parts: [part("toolResult", { callId: "c1", text: "sun" })] },
      { role: Role.TOOL, parts: [part("toolResult", { callId: "c2", text: "rain" })] },
    ]);
    expect(lane.runner.last.submit.messages).toHaveLength(5);
  });
});
