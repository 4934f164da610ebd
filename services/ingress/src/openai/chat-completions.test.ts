import OpenAI from "openai";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { OnConflict } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask, HELLO } from "../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;
let client: OpenAI;

beforeEach(async () => {
  lane = await startTestIngress();
  client = new OpenAI({ apiKey: lane.apiKey, baseURL: `${lane.url}/v1`, maxRetries: 0 });
});

afterEach(async () => {
  await lane[Symbol.asyncDispose]();
});

const keyed = (headers: Record<string, string> = {}) => ({
  headers: { "x-session-key": "kitchen", ...headers },
});

describe("a plain chat completion", () => {
  test("answers in OpenAI's shape, with the receipt in headers and body", async () => {
    const { data, response } = await client.chat.completions
      .create({ model: "openclaw/main", messages: [{ role: "user", content: "Hi" }] }, keyed())
      .withResponse();
    const turn = lane.runner.last;
    expect(data).toEqual({
      id: `chatcmpl-${turn.turnId}`,
      object: "chat.completion",
      created: expect.any(Number),
      model: "openclaw/main",
      choices: [
        {
          index: 0,
          finish_reason: "stop",
          logprobs: null,
          message: { role: "assistant", content: "Hello, world", refusal: null },
        },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
      lanekeeper: {
        session_key: "agent:main:kitchen",
        session_id: turn.session?.sessionId,
        generation: 1,
        turn_id: turn.turnId,
        run_id: turn.runId,
        disposition: "started",
        into_turn_id: null,
        model: "stand-in",
        request_id: response.headers.get("x-request-id"),
      },
    });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "x-lane-disposition": "started",
      "x-session-key": "agent:main:kitchen",
      "x-session-generation": "1",
      "x-session-id": turn.session?.sessionId,
      "x-turn-id": turn.turnId,
      "x-lane-position": "0",
    });
  });

  test("submits what it was given, and for whom", async () => {
    const headers = {
      "x-on-conflict": "steer",
      "x-stainless-retry-count": "2",
      "x-request-id": "label-1",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    const body = {
      model: "lanekeeper",
      messages: [{ role: "user" as const, content: "Hi", name: "ann" }],
      temperature: 0.5,
      tools: [{ type: "function" as const, function: { name: "f", parameters: {} } }],
      metadata: { session_key: "kitchen", theme: "dark" },
      of_a_later_release: { deep: [1, null] },
    };
    await client.chat.completions.create(body, { headers });
    const { submit } = lane.runner.last;
    expect(submit).toMatchObject({
      keyIsGenerated: true,
      idempotencyKey: expect.stringMatching(/^[0-9a-f-]{36}$/),
      onConflict: OnConflict.STEER,
      turnClass: TurnClass.PERSON,
      clientRetryCount: 2,
      requireGeneration: false,
      origin: { source: "http", rawKey: "kitchen" },
      parameters: {
        temperature: 0.5,
        tools: [{ type: "function", function: { name: "f", parameters: {} } }],
        metadata: { theme: "dark" },
        of_a_later_release: { deep: [1, null] },
      },
    });
    expect(Object.keys(submit.parameters ?? {})).toHaveLength(4);
    expect(submit.messages).toMatchObject([{ role: Role.USER, senderId: "ann" }]);
    const { call } = lane.runner.calls.at(-1) ?? {};
    expect(call).toMatchObject({
      tenant: "default",
      scopes: ["chat", "adapter", "operator", "admin"],
      requestId: "label-1",
      peer: { kind: "service", service: "ingress" },
    });
  });

  test("an expectation is passed on to session-identity and binds the turn", async () => {
    await client.chat.completions.create({ ...MESSAGES }, keyed({ "x-expect-generation": "1" }));
    expect(lane.identity.calls[0]?.request).toMatchObject({ expectedGeneration: 1n });
    expect(lane.runner.last.submit.requireGeneration).toBe(true);
  });

  test("without a key is stateless, for the tenant's default agent", async () => {
    const { status, headers, json } = await ask(lane);
    expect(status).toBe(200);
    expect(headers["x-lane-disposition"]).toBe("stateless");
    expect(headers).not.toHaveProperty("x-session-key");
    expect(headers).not.toHaveProperty("x-lane-position");
    expect(headers["x-turn-id"]).toBe(lane.runner.last.turnId);
    expect(json).toMatchObject({
      lanekeeper: {
        session_key: null,
        session_id: null,
        generation: null,
        disposition: "stateless",
      },
    });
    expect(lane.runner.last.submit.target).toEqual({ case: "statelessAgentId", value: "main" });
    expect(lane.identity.calls).toHaveLength(0);
  });

  test("without a key and without a default agent is AGENT_REQUIRED", async () => {
    lane.identity.defaultAgentId = "";
    const { status, json } = await ask(lane);
    expect([status, json]).toMatchObject([400, { error: { code: "AGENT_REQUIRED" } }]);
  });

  test("an agent that was added a moment ago answers at once", async () => {
    await using other = await startTestIngress({ limits: { agentsRecheckMs: 0 } });
    await ask(other, { path: "/v1/models", method: "GET" });
    other.runner.agentIds.push("newcomer");
    const { status } = await ask(other, { body: { ...HELLO, model: "lanekeeper/newcomer" } });
    expect(status).toBe(200);
  });

  test.each([
    ["lanekeeper/helper", {}],
    ["agent:helper", {}],
    ["openclaw/helper", {}],
    ["openclaw:helper", {}],
    ["lanekeeper", { "x-agent-id": "helper" }],
    ["openclaw/default", { "x-openclaw-agent-id": "helper" }],
    ["openclaw", { "x-openclaw-agent": "helper", "x-agent-id": "helper" }],
  ])("the model %s with the headers %j leads to the agent helper", async (model, headers) => {
    const { status } = await ask(lane, { headers, body: { ...HELLO, model } });
    expect(status).toBe(200);
    expect(lane.runner.last.submit.target.value).toBe("helper");
  });

  test.each(["other", "keeper"])(
    "the agent %s, named by header, that there is not is called by its own name",
    async (agent) => {
      const { status, json } = await ask(lane, { headers: { "x-agent-id": agent } });
      expect([status, json]).toMatchObject([404, { error: { code: "UNKNOWN_MODEL" } }]);
      expect(JSON.stringify(json)).toContain(`lanekeeper/${agent}`);
    },
  );

  test("a key that is not ASCII comes and goes percent-encoded", async () => {
    const encoded = encodeURIComponent("Küche % 1");
    const { headers } = await ask(lane, { headers: { "x-session-key-encoded": encoded } });
    expect(lane.runner.last.submit.origin?.rawKey).toBe("Küche % 1");
    expect(headers["x-session-key-encoded"]).toBe(encodeURIComponent("agent:main:Küche % 1"));
    expect(headers).not.toHaveProperty("x-session-key");
  });

  test("a key of more than 1 KiB as a header is left out, the rest is told", async () => {
    const key = "ü".repeat(400);
    const { headers, json } = await ask(lane, {
      body: { ...HELLO, metadata: { session_key: key } },
    });
    expect(headers).not.toHaveProperty("x-session-key-encoded");
    expect(headers["x-session-generation"]).toBe("1");
    expect(json).toMatchObject({ lanekeeper: { session_key: `agent:main:${key}` } });
  });

  test("names of one session in several places agree after decoding", async () => {
    const { status } = await ask(lane, {
      headers: {
        "x-session-key": "a b",
        "x-session-key-encoded": "a%20b",
        "x-openclaw-session-key": "a b",
      },
      body: { ...HELLO, metadata: { session_key: "a b" } },
    });
    expect(status).toBe(200);
  });

  test("an ill-formed x-request-id is replaced: a label never fails a request", async () => {
    const { status, headers } = await ask(lane, { headers: { "x-request-id": "a b" } });
    expect(status).toBe(200);
    expect(headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("tool calls come in OpenAI's shape", async () => {
    lane.runner.script = (turn) => {
      turn.begin().callTool("call_1", "weather", '{"at":"sea"}').complete({ finishReason: "" });
    };
    const completion = await client.chat.completions.create(MESSAGES, keyed());
    expect(completion.choices[0]).toMatchObject({
      finish_reason: "tool_calls",
      message: {
        content: null,
        tool_calls: [
          {
            id: "call_1",
            type: "function",
            function: { name: "weather", arguments: '{"at":"sea"}' },
          },
        ],
      },
    });
  });
});

const MESSAGES = { model: "lanekeeper", messages: [{ role: "user" as const, content: "Hi" }] };
