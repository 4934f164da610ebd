import OpenAI from "openai";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask } from "../../testing/ask.ts";
import { holdTurn } from "../../testing/stand-in-runner.ts";
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

function get(path: string, more: { readonly key?: string } = {}) {
  const headers = more.key === undefined ? {} : { authorization: `Bearer ${more.key}` };
  return ask(lane, { method: "GET", path, headers });
}

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

describe("previous_response_id", () => {
  const create = (body: object, headers = {}) =>
    ask(lane, { path: "/v1/responses", body: { model: "lanekeeper", ...body }, headers });
  const idOf = ({ json }: { json: unknown }) => (json as { id: string }).id;

  test("of a response with a session goes on in it", async () => {
    const first = await create({ input: "one" }, KITCHEN.headers);
    const second = await create({ input: "two", previous_response_id: idOf(first) });
    expect(second.headers["x-session-key"]).toBe("agent:main:kitchen");
    expect(second.json).toMatchObject({ previous_response_id: idOf(first) });
    expect(lane.runner.last.submit.messages).toHaveLength(1);
  });

  test("beside a key must be of its session, and opens none where it is not", async () => {
    const first = await create({ input: "one" }, KITCHEN.headers);
    const previous = { input: "two", previous_response_id: idOf(first) };
    expect((await create(previous, KITCHEN.headers)).status).toBe(200);
    const other = await create(previous, { "x-session-key": "garden" });
    expect(other.status).toBe(400);
    expect(other.json).toMatchObject({ error: { param: "previous_response_id" } });
    expect([...lane.identity.sessions.keys()]).toEqual(["agent:main:kitchen"]);
  });

  test("of one without a session brings along what was said, from the first on", async () => {
    const first = await create({ input: "one", instructions: "Be brief." });
    const second = await create({ input: "two", previous_response_id: idOf(first) });
    const third = await create({ input: "three", previous_response_id: idOf(second) });
    expect(third.headers["x-lane-disposition"]).toBe("stateless");
    const texts = lane.runner.last.submit.messages.map(({ parts }) => parts[0]?.content.value);
    expect(texts).toEqual(["one", "Hello, world", "two", "Hello, world", "three"]);
    expect(lane.runner.last.submit.parameters).not.toHaveProperty("instructions");
    const expecting = { "x-expect-generation": "1" };
    const body = { input: "four", previous_response_id: idOf(third) };
    expect((await create(body, expecting)).json).toMatchObject({
      error: { param: "x-expect-generation" },
    });
  });

  test("of a response with a session may expect a generation of it", async () => {
    const first = await create({ input: "one" }, KITCHEN.headers);
    const body = { input: "two", previous_response_id: idOf(first) };
    expect((await create(body, { "x-expect-generation": "1" })).status).toBe(200);
    expect((await create(body, { "x-expect-generation": "7" })).status).toBe(409);
  });

  test("of one without a session and without an answer is refused", async () => {
    lane.runner.script = holdTurn;
    const held = new AbortController();
    const waiting = ask(lane, {
      path: "/v1/responses",
      body: { model: "lanekeeper", input: "one" },
      signal: held.signal,
    }).catch(() => undefined);
    await expect.poll(() => lane.runner.turns.length).toBe(1);
    const id = `resp_${lane.runner.last.turnId}`;
    const { status, json } = await create({ input: "two", previous_response_id: id });
    expect(status).toBe(400);
    expect(json).toMatchObject({
      error: { message: expect.stringContaining("not been answered") },
    });
    held.abort();
    await waiting;
  });

  test("a repeat under the same idempotency key joins, though its previous response is gone", async () => {
    const first = await create({ input: "one" }, KITCHEN.headers);
    const body = { input: "two", previous_response_id: idOf(first) };
    const key = { "idempotency-key": "k1" };
    const second = await create(body, key);
    lane.runner.turns.splice(0, 1);
    const again = await create(body, key);
    expect(again.headers["x-lane-disposition"]).toBe("joined");
    expect(idOf(again)).toBe(idOf(second));
  });
});

describe("a stored response", () => {
  test("is told as it was answered", async () => {
    const body = { model: "openclaw", input: "Hi", instructions: "Be brief.", tools: [WEATHER] };
    const { json: answered } = await ask(lane, { path: "/v1/responses", body, ...KITCHEN });
    const { id, completed_at: _1, lanekeeper: _2, ...same } = answered as Record<string, unknown>;
    const { status, json, headers } = await get(`/v1/responses/${String(id)}`);
    expect(status).toBe(200);
    expect(json).toMatchObject({ ...same, id });
    expect(headers).toMatchObject({
      "x-lane-disposition": "started",
      "x-session-key": "agent:main:kitchen",
      "x-turn-id": lane.runner.last.turnId,
    });
    expect(await client.responses.retrieve(String(id))).toMatchObject({
      id,
      output_text: "Hello, world",
    });
  });

  test.each([
    ["another credential of the tenant", { principal: "somebody-else" }],
    ["another tenant", { tenant: "acme", principal: "lk_test_" }],
  ])("is NOT_FOUND for %s, like one that never was", async (_what, who) => {
    const { json } = await ask(lane, {
      path: "/v1/responses",
      body: { model: "lanekeeper", input: "Hi" },
    });
    const { id } = json as { id: string };
    const key = lane.credentials.add("lk_other_key_0123456789abcdef", who);
    if ("tenant" in who) lane.runner.turns.splice(0);
    const path = `/v1/responses/${id}`;
    const found = await get(path, { key });
    const unknown = id.replace(/.{4}$/, "0000");
    const missing = await get(`/v1/responses/${unknown}`, { key });
    expect(found.status).toBe(404);
    expect(withoutIds(found.text, id)).toBe(withoutIds(missing.text, unknown));
    const cancel = await ask(lane, {
      path: `${path}/cancel`,
      headers: { authorization: `Bearer ${key}` },
    });
    expect(cancel.status).toBe(404);
    const body = { model: "lanekeeper", input: "x", previous_response_id: id };
    const headers = { authorization: `Bearer ${key}` };
    expect((await ask(lane, { path: "/v1/responses", body, headers })).status).toBe(404);
  });

  test("that was to be kept nowhere is told to nobody", async () => {
    const body = { model: "lanekeeper", input: "Hi", store: false };
    const { json } = await ask(lane, { path: "/v1/responses", body });
    expect(json).toMatchObject({ store: false });
    expect((await get(`/v1/responses/${(json as { id: string }).id}`)).status).toBe(404);
  });

  test("is told while it waits and while it is answered, and is cancelled", async () => {
    lane.runner.script = holdTurn;
    const left = new AbortController();
    const asked = ask(lane, {
      path: "/v1/responses",
      body: { model: "lanekeeper", input: "Hi" },
      ...KITCHEN,
    }).finally(() => left.abort());
    await expect.poll(() => lane.runner.turns.length).toBe(1);
    const turn = lane.runner.last;
    const id = `resp_${turn.turnId}`;
    expect(await client.responses.retrieve(id)).toMatchObject({ status: "queued", output: [] });
    turn.begin();
    expect(await client.responses.retrieve(id)).toMatchObject({ status: "in_progress" });
    expect(await client.responses.cancel(id)).toMatchObject({
      status: "cancelled",
      error: { code: "TURN_CANCELLED" },
    });
    expect((await asked).status).toBe(409);
    expect(await client.responses.cancel(id)).toMatchObject({ status: "cancelled" });
    const calls = lane.runner.calls.filter(({ method }) => method === "cancelTurn");
    expect(calls).toHaveLength(1);
  });

  test("whose run does not end in time is told as it stands", async () => {
    await using hasty = await startTestIngress({ limits: { cancelWaitMs: 50 } });
    const { runner } = hasty;
    runner.script = (turn) => turn.begin();
    runner.onCancel = () => undefined;
    const asked = ask(hasty, { path: "/v1/responses", body: { model: "lanekeeper", input: "Hi" } });
    await expect.poll(() => runner.turns.length).toBe(1);
    const id = `resp_${runner.last.turnId}`;
    const cancelled = await clientOf(hasty).responses.cancel(id);
    expect(cancelled).toMatchObject({ status: "in_progress" });
    runner.last.complete();
    await asked;
  });
});

function withoutIds(text: string, id: string): string {
  return text.replaceAll(id, "<id>").replaceAll(/[0-9a-f-]{36}/g, "<uuid>");
}
