import OpenAI from "openai";
import { Disposition, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask, events, HELLO } from "../testing/ask.ts";
import { holdTurn } from "../testing/stand-in-runner.ts";
import { rawStream } from "../testing/raw-stream.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

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

const STREAM = { ...HELLO, stream: true };
const KEYED = { headers: { "x-session-key": "kitchen" } };
const asStream = {
  model: "lanekeeper",
  messages: [{ role: "user" as const, content: "Hi" }],
  stream: true as const,
};

async function collect(stream: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const chunk of stream) all.push(chunk);
  return all;
}

describe("a streamed chat completion", () => {
  test("is the chunks that OpenAI's clients expect: role, deltas, reason with receipt, [DONE]", async () => {
    const { status, headers, text } = await ask(lane, { ...KEYED, body: STREAM });
    const turn = lane.runner.last;
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform",
      "x-lane-disposition": "started",
      "x-turn-id": turn.turnId,
      "x-session-key": "agent:main:kitchen",
    });
    const chunk = (delta: object, finish: string | null = null) => ({
      id: `chatcmpl-${turn.turnId}`,
      object: "chat.completion.chunk",
      created: expect.any(Number),
      model: "lanekeeper",
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    });
    expect(events(text)).toEqual([
      ": ping",
      chunk({ role: "assistant", content: "" }),
      chunk({ content: "Hello" }),
      chunk({ content: ", world" }),
      {
        ...chunk({}, "stop"),
        lanekeeper: expect.objectContaining({
          session_key: "agent:main:kitchen",
          turn_id: turn.turnId,
          run_id: turn.runId,
          disposition: "started",
        }),
      },
      "[DONE]",
    ]);
    expect(text).not.toMatch(/^(id|retry|event):/m);
  });

  test("is read by the openai package, usage included", async () => {
    const stream = await client.chat.completions.create({
      ...asStream,
      stream_options: { include_usage: true },
    });
    const chunks = (await collect(stream)) as OpenAI.ChatCompletionChunk[];
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
    expect(text).toBe("Hello, world");
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    });
    for (const { usage } of chunks.slice(0, -1)) expect(usage).toBeNull();
  });

  test("tells tool calls whole, each with its index", async () => {
    lane.runner.script = (turn) => {
      turn.begin().callTool("c1", "f", "{}").callTool("c2", "g", "{}").complete();
    };
    const stream = client.chat.completions.stream({
      model: "lanekeeper",
      messages: [{ role: "user", content: "Hi" }],
    });
    const { choices } = await stream.finalChatCompletion();
    expect(choices[0]?.finish_reason).toBe("tool_calls");
    expect(choices[0]?.message.tool_calls).toMatchObject([
      { id: "c1", function: { name: "f", arguments: "{}" } },
      { id: "c2", function: { name: "g", arguments: "{}" } },
    ]);
  });

  test("sends its headers while the turn is queued, and pings until it begins", async () => {
    await using pinging = await startTestIngress({ limits: { pingIntervalMs: 20 } });
    const { runner } = pinging;
    runner.script = holdTurn;
    runner.disposition = Disposition.QUEUED;
    const { completions } = clientOf(pinging).chat;
    const { data, response } = await completions.create(asStream, KEYED).withResponse();
    expect(response.headers.get("x-lane-disposition")).toBe("queued");
    const raw = rawStream(pinging);
    await expect.poll(() => runner.turns.length).toBe(2);
    await expect.poll(() => raw.text().split(": ping").length).toBeGreaterThan(3);
    for (const turn of runner.turns) turn.begin().say("At last").complete();
    expect(await collect(data)).toHaveLength(3);
    await raw.ended;
    expect(raw.text()).toContain("At last");
  });

  test("of a turn that was joined after its deltas were given up is told from the reply", async () => {
    lane.runner.script = (turn) => {
      turn.begin().end({
        state: TurnState.COMPLETED,
        reply: {
          parts: [
            { content: { case: "text", value: "All of it" } },
            {
              content: {
                case: "toolCall",
                value: { callId: "c1", name: "f", argumentsJson: "{}" },
              },
            },
          ],
        },
      });
    };
    const { text } = await ask(lane, { ...KEYED, body: STREAM });
    const deltas = events(text).map((event) => (event as Chunk).choices?.[0]?.delta);
    expect(deltas).toMatchObject([
      undefined,
      { role: "assistant" },
      { content: "All of it" },
      { tool_calls: [{ id: "c1" }] },
      {},
      undefined,
    ]);
    expect(events(text).at(-2)).toMatchObject({ choices: [{ finish_reason: "tool_calls" }] });
  });

  test("refused before acceptance has a status of its own", async () => {
    const { status, json } = await ask(lane, { body: { ...STREAM, model: "gpt-4o" } });
    expect([status, json]).toMatchObject([404, { error: { code: "UNKNOWN_MODEL" } }]);
  });
});

interface Chunk {
  readonly choices?: readonly { readonly delta: object }[];
}

describe("a stream that cannot go on", () => {
  test("ends with an error event that the openai package throws", async () => {
    lane.runner.script = (turn) => {
      turn.begin().say("Well").end({ state: TurnState.FAILED, errorReason: "MODEL_STREAM_CUT" });
    };
    const stream = await client.chat.completions.create(asStream, KEYED);
    await expect(collect(stream)).rejects.toMatchObject({
      code: "MODEL_STREAM_CUT",
      error: { lanekeeper: { turn_id: lane.runner.last.turnId, should_retry: false } },
    });
    const { text } = await ask(lane, { ...KEYED, body: STREAM });
    expect(text).not.toContain("[DONE]");
  });

  test("is taken over by a run that has something else to say: TAKEN_OVER, with the turn", async () => {
    lane.runner.script = (turn) => {
      turn.begin().say("Half a th").begin({ runId: "run-2", discardPrevious: true });
      turn.say("Another").complete({});
    };
    const { text } = await ask(lane, { ...KEYED, body: STREAM });
    expect(text).not.toContain("Another");
    const { turnId } = lane.runner.last;
    expect(events(text).at(-1)).toMatchObject({
      error: {
        code: "TAKEN_OVER",
        // Who sent no key of its own reads there where the answer is.
        message: expect.stringContaining(`GET /v1/responses/resp_${turnId}`),
        lanekeeper: { turn_id: turnId },
      },
    });
  });

  test("is not ended by a takeover before its first word", async () => {
    lane.runner.script = (turn) => {
      turn.begin().begin({ runId: "run-2", discardPrevious: true }).say("Anew").complete();
    };
    const { text } = await ask(lane, { ...KEYED, body: STREAM });
    expect(text).toContain("Anew");
    expect(events(text).at(-1)).toBe("[DONE]");
  });

  test("a plain answer has only the words of the run that took over", async () => {
    lane.runner.script = (turn) => {
      turn.begin().say("Half a th").begin({ runId: "run-2", discardPrevious: true });
      turn.end({
        state: TurnState.COMPLETED,
        reply: { parts: [{ content: { case: "text", value: "Another" } }] },
      });
    };
    const { json } = await ask(lane, KEYED);
    expect(json).toMatchObject({ choices: [{ message: { content: "Another" } }] });
  });
});

describe("a caller that waits", () => {
  const waits = { position: 2, holderRunId: "r-1", holderHeartbeatAge: { seconds: 3n } };

  test("is told its place if it asks, by chunks that the SDK reads past", async () => {
    lane.runner.script = (turn) => {
      turn
        .wait(waits)
        .wait({ ...waits, isBusyHint: true })
        .begin()
        .say("Hi")
        .complete();
    };
    const headers = { ...KEYED.headers, "x-busy-hint": "true" };
    const { text } = await ask(lane, { headers, body: STREAM });
    const told = (busy_hint: boolean) => ({
      choices: [],
      lanekeeper: {
        queued: { position: 2, holder_run_id: "r-1", holder_heartbeat_age_ms: 3_000, busy_hint },
      },
    });
    expect(events(text)[1]).toMatchObject(told(false));
    expect(events(text)[2]).toMatchObject(told(true));
    const stream = await client.chat.completions.create(asStream, { headers });
    const words = (await collect(stream)) as OpenAI.ChatCompletionChunk[];
    expect(words.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe("Hi");
  });

  test("is told nothing but comments if it does not", async () => {
    lane.runner.script = (turn) => {
      turn.wait(waits).begin().say("Hi").complete();
    };
    const { text } = await ask(lane, { ...KEYED, body: STREAM });
    expect(text).not.toContain("queued");
  });

  test("is refused where what it asks with is neither true nor false", async () => {
    const { status, json } = await ask(lane, { headers: { "x-busy-hint": "soon" } });
    expect([status, json]).toMatchObject([400, { error: { param: "x-busy-hint" } }]);
  });
});
