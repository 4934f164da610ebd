import OpenAI from "openai";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { Disposition, OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { errorDetail, LanekeeperError, later } from "@lanekeeper/rpc";
import { SessionBusySchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask, HELLO } from "../testing/ask.ts";
import { holdTurn } from "../testing/stand-in-runner.ts";
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

describe("an Idempotency-Key", () => {
  const once = { headers: { "x-session-key": "kitchen", "idempotency-key": "k-1" } };

  test("makes two requests one turn, and the second says joined", async () => {
    const first = await ask(lane, once);
    const second = await ask(lane, once);
    expect(lane.runner.turns).toHaveLength(1);
    expect(lane.runner.last.submit).toMatchObject({ idempotencyKey: "k-1", keyIsGenerated: false });
    expect(second.headers).toMatchObject({
      "x-lane-disposition": "joined",
      "x-turn-id": first.headers["x-turn-id"],
      "x-session-id": first.headers["x-session-id"],
    });
    expect(second.json).toMatchObject({ choices: [{ message: { content: "Hello, world" } }] });
    // Found by its key, so the name is not resolved again: it may lead elsewhere by now.
    expect(lane.identity.calls).toHaveLength(1);
  });

  test("joins a turn that has not ended", async () => {
    lane.runner.script = holdTurn;
    const both = [ask(lane, once), ask(lane, once)];
    await expect.poll(() => lane.runner.attachCount()).toBe(2);
    lane.runner.last.begin().say("Once").complete();
    const answers = await Promise.all(both);
    expect(lane.runner.turns).toHaveLength(1);
    for (const { json } of answers) {
      expect(json).toMatchObject({ choices: [{ message: { content: "Once" } }] });
    }
    const words = answers.map(({ headers }) => headers["x-lane-disposition"]);
    expect(new Set(words)).toEqual(new Set(["joined", "started"]));
  });

  test.each([
    ["other words", { body: { ...HELLO, temperature: 1 } }],
    ["another session", { headers: { ...once.headers, "x-session-key": "cellar" } }],
    ["another agent", { headers: { ...once.headers, "x-agent-id": "helper" } }],
  ])("with %s is IDEMPOTENCY_MISMATCH", async (_what, other) => {
    await ask(lane, once);
    const { status, json, headers } = await ask(lane, { ...once, ...other });
    expect([status, json]).toMatchObject([422, { error: { code: "IDEMPOTENCY_MISMATCH" } }]);
    expect(headers["x-should-retry"]).toBe("false");
  });
});

describe("a turn without an answer", () => {
  test.each([
    [TurnState.SUPERSEDED, "", 409, "SUPERSEDED"],
    [TurnState.SKIPPED, "TURN_SKIPPED", 409, "TURN_SKIPPED"],
    [TurnState.INTERRUPTED, "", 409, "TURN_INTERRUPTED"],
    [TurnState.CANCELLED, "", 409, "TURN_CANCELLED"],
    [TurnState.FAILED, "MODEL_FAILED", 502, "MODEL_FAILED"],
    [TurnState.FAILED, "MODEL_TIMEOUT", 504, "MODEL_TIMEOUT"],
    [TurnState.FAILED, "QUEUE_TIMEOUT", 504, "QUEUE_TIMEOUT"],
    [TurnState.FAILED, "GENERATION_MISMATCH", 409, "GENERATION_MISMATCH"],
    [TurnState.FAILED, "STORE_UNAVAILABLE", 503, "STORE_UNAVAILABLE"],
    [TurnState.FAILED, "OF_A_LATER_RELEASE", 500, "INTERNAL"],
  ] as const)(
    "that ended %s with %j is %i %s and says not to retry",
    async (state, errorReason, status, code) => {
      lane.runner.script = (turn) => turn.begin().end({ state, errorReason, errorMessage: "why" });
      const { status: got, json, headers } = await ask(lane, keyed());
      const { turnId } = lane.runner.last;
      expect(json).toMatchObject({
        error: { code, message: "why", lanekeeper: { turn_id: turnId, should_retry: false } },
      });
      expect(got).toBe(status);
      expect(headers).toMatchObject({
        "x-should-retry": "false",
        "x-turn-id": turnId,
        "x-lane-disposition": "started",
        "x-session-key": "agent:main:kitchen",
      });
      expect(lane.log.lines.some(({ msg }) => msg === "internal error")).toBe(false);
    },
  );

  test("a coalesced one is answered by its host", async () => {
    lane.runner.script = holdTurn;
    const host = ask(lane, keyed());
    await expect.poll(() => lane.runner.turns.length).toBe(1);
    const hostTurn = lane.runner.last;
    lane.runner.disposition = Disposition.QUEUED;
    const part = ask(lane, keyed());
    await expect.poll(() => lane.runner.turns.length).toBe(2);
    lane.runner.last.end({ state: TurnState.COALESCED, intoTurnId: hostTurn.turnId });
    hostTurn.begin().say("For both").complete();
    const [, answer] = await Promise.all([host, part]);
    expect(answer.json).toMatchObject({
      choices: [{ message: { content: "For both" } }],
      lanekeeper: { turn_id: lane.runner.last.turnId, run_id: hostTurn.runId },
    });
    expect(answer.headers["x-lane-disposition"]).toBe("queued");
  });
});

describe("a refusal of the runner", () => {
  test("SESSION_BUSY tells the holder and when to come again", async () => {
    const detail = errorDetail(SessionBusySchema, {
      holder: { runId: "r-1", turnId: "t-1" },
      heartbeatAge: { seconds: 2n },
      depth: 3,
    });
    lane.runner.refusal = later("SESSION_BUSY", "a run holds the lane", 2_500, {
      details: [detail],
    });
    const { status, json, headers } = await ask(lane, keyed({ "x-on-conflict": "reject" }));
    expect(status).toBe(409);
    expect(headers).toMatchObject({
      "retry-after": "3",
      "x-should-retry": "true",
      "x-lane-disposition": "rejected",
      "x-session-key": "agent:main:kitchen",
    });
    expect(json).toMatchObject({
      error: {
        code: "SESSION_BUSY",
        lanekeeper: {
          busy: { holder_run_id: "r-1", holder_turn_id: "t-1", heartbeat_age_ms: 2_000, depth: 3 },
        },
      },
    });
  });

  test("QUEUE_FULL is 429 with Retry-After, and the openai package tells it by its class", async () => {
    lane.runner.refusal = later("QUEUE_FULL", "128 turns wait in the lane", 1_000);
    const failed = client.chat.completions.create(MESSAGES, keyed());
    await expect(failed).rejects.toThrow(OpenAI.RateLimitError);
    await expect(failed).rejects.toMatchObject({ status: 429, code: "QUEUE_FULL" });
  });

  test("a defect is 500 with an error id that the log carries", async () => {
    lane.runner.refusal = new Error("a secret of the inside");
    const { status, json, text } = await ask(lane, keyed());
    expect(status).toBe(500);
    expect(text).not.toContain("a secret of the inside");
    expect(json).toMatchObject({
      error: { code: "INTERNAL", lanekeeper: { metadata: { error_id: expect.any(String) } } },
    });
  });

  test("a refusal of our own service credential is no 401 for the caller", async () => {
    lane.identity.refusal = new LanekeeperError("UNAUTHENTICATED", "no such service", {
      metadata: { service_identity: "ingress" },
    });
    const { status, json } = await ask(lane, keyed());
    expect([status, json]).toMatchObject([500, { error: { code: "INTERNAL" } }]);
  });
});
