import { request } from "node:http";
import OpenAI from "openai";
import { Disposition, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { Code, RpcError } from "@lanekeeper/rpc";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask, events, HELLO } from "../testing/ask.ts";
import { holdTurn } from "../testing/stand-in-runner.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;
let client: OpenAI;

beforeEach(async () => {
  lane = await startTestIngress({ limits: { pingIntervalMs: 20, slowReaderMs: 200 } });
  client = new OpenAI({ apiKey: lane.apiKey, baseURL: `${lane.url}/v1`, maxRetries: 0 });
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

/** Resolves once the runner has accepted `count` turns. */
const accepted = (count = 1) => expect.poll(() => lane.runner.turns.length).toBe(count);

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
    lane.runner.script = holdTurn;
    lane.runner.disposition = Disposition.QUEUED;
    const { data, response } = await client.chat.completions.create(asStream, KEYED).withResponse();
    expect(response.headers.get("x-lane-disposition")).toBe("queued");
    const raw = rawStream();
    await accepted(2);
    await expect.poll(() => raw.text().split(": ping").length).toBeGreaterThan(3);
    for (const turn of lane.runner.turns) turn.begin().say("At last").complete();
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
    expect(events(text).at(-1)).toMatchObject({
      error: { code: "TAKEN_OVER", lanekeeper: { turn_id: lane.runner.last.turnId } },
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

describe("the runner's stream breaking is not the caller's trouble:", () => {
  test("it is attached to again after the last event, and nothing is told twice", async () => {
    lane.runner.script = holdTurn;
    const answer = ask(lane, { ...KEYED, body: STREAM });
    await accepted();
    lane.runner.last.begin().say("One, ");
    await expect.poll(() => lane.runner.attachCount()).toBe(1);
    await saidSoFar("One, ");
    lane.runner.breakStreams();
    await expect.poll(() => lane.runner.attachCount()).toBe(2);
    lane.runner.last.say("two").complete();
    const { text } = await answer;
    expect(contentOf(text)).toBe("One, two");
    expect(lane.runner.turns).toHaveLength(1);
    expect(lane.runner.calls.at(-1)?.request).toMatchObject({
      target: { case: "turnId", value: lane.runner.last.turnId },
      afterStreamSeq: 2n,
    });
  });

  test("a killed replica is found again when it is back", async () => {
    lane.runner.script = holdTurn;
    const answer = ask(lane, KEYED);
    await accepted();
    await lane.restartRunner();
    lane.runner.last.begin().say("Still here").complete();
    const { status, json } = await answer;
    expect(status).toBe(200);
    expect(json).toMatchObject({ choices: [{ message: { content: "Still here" } }] });
    expect(lane.runner.turns).toHaveLength(1);
  });

  test("a break before `accepted` submits again under the same key, and is one turn", async () => {
    lane.runner.breakBeforeAccepted = 2;
    const { status, headers } = await ask(lane, KEYED);
    expect(status).toBe(200);
    expect(lane.runner.attachCount()).toBe(3);
    expect(lane.runner.turns).toHaveLength(1);
    expect(headers["x-turn-id"]).toBe(lane.runner.last.turnId);
  });

  test("a runner that accepts nothing in time is STORE_UNAVAILABLE, to be asked again", async () => {
    await using other = await startTestIngress({ limits: { admissionTimeoutMs: 50 } });
    other.runner.refusal = new RpcError(Code.UNAVAILABLE, "gone");
    const { status, json, headers } = await ask(other, KEYED);
    expect([status, json]).toMatchObject([503, { error: { code: "STORE_UNAVAILABLE" } }]);
    expect(headers).toMatchObject({ "x-should-retry": "true", "retry-after": "1" });
  });

  test("an accepted turn that no runner serves any more is WAIT_EXPIRED with its id", async () => {
    await using other = await startTestIngress({ limits: { reattachTimeoutMs: 50 } });
    other.runner.script = holdTurn;
    const answer = ask(other, KEYED);
    await expect.poll(() => other.runner.turns.length).toBe(1);
    other.runner.refusal = new RpcError(Code.UNAVAILABLE, "gone");
    other.runner.breakStreams();
    const { status, json, headers } = await answer;
    expect([status, json]).toMatchObject([
      503,
      { error: { code: "WAIT_EXPIRED", lanekeeper: { turn_id: other.runner.last.turnId } } },
    ]);
    expect(headers["x-should-retry"]).toBe("true");
  });
});

describe("waiting", () => {
  test("a plain request that waits too long gets WAIT_EXPIRED, and its retry joins the turn", async () => {
    await using other = await startTestIngress({ limits: { plainWaitMs: 50 } });
    other.runner.script = holdTurn;
    const once = { headers: { "x-session-key": "kitchen", "idempotency-key": "k-1" } };
    const { status, json, headers } = await ask(other, once);
    const { turnId } = other.runner.last;
    expect([status, json]).toMatchObject([
      503,
      { error: { code: "WAIT_EXPIRED", lanekeeper: { turn_id: turnId, should_retry: true } } },
    ]);
    expect(headers).toMatchObject({
      "x-should-retry": "true",
      "retry-after": "1",
      "x-turn-id": turnId,
    });
    other.runner.last.begin().say("Late").complete();
    const retried = await ask(other, once);
    expect(retried.headers).toMatchObject({ "x-turn-id": turnId, "x-lane-disposition": "joined" });
    expect(other.runner.calls.some(({ method }) => method === "cancelTurn")).toBe(false);
  });
});

describe("a client that hangs up", () => {
  test("does not cancel, and is logged as 499", async () => {
    lane.runner.script = holdTurn;
    const leaving = new AbortController();
    const answer = ask(lane, { ...KEYED, signal: leaving.signal });
    await accepted();
    leaving.abort();
    await expect(answer).rejects.toThrow();
    await expect.poll(() => lane.requests.entries.length).toBe(1);
    const { turnId } = lane.runner.last;
    expect(lane.requests.entries[0]).toMatchObject({ status: 499, turnId, reason: "" });
    const attach = lane.runner.calls.find(({ method }) => method === "attachTurn");
    await expect.poll(() => attach?.call.signal.aborted).toBe(true);
    expect(attach?.request).toMatchObject({ cancelOnDisconnect: false });
    expect(lane.runner.calls.map(({ method }) => method)).not.toContain("cancelTurn");
  });

  test("before its turn was accepted loses nothing: what arrived whole is submitted", async () => {
    let accept = (): void => undefined;
    lane.runner.acceptance = new Promise((resolve) => {
      accept = resolve;
    });
    const leaving = new AbortController();
    const answer = ask(lane, { ...KEYED, signal: leaving.signal });
    await expect.poll(() => lane.runner.attachCount()).toBe(1);
    leaving.abort();
    await expect(answer).rejects.toThrow();
    // A second request on its way shows that ingress has long seen the first one's end.
    await ask(lane, { method: "GET", path: "/v1/models" });
    expect(lane.runner.turns).toHaveLength(0);
    accept();
    await expect.poll(() => lane.requests.entries.length).toBe(1);
    const { turnId } = lane.runner.last;
    expect(lane.requests.entries[0]).toMatchObject({ status: 499, turnId });
  });

  test("or reads nothing is cut off, and the turn goes on", async () => {
    lane.runner.script = holdTurn;
    const raw = rawStream({ paused: true });
    await accepted();
    const turn = lane.runner.last.begin();
    const block = "x".repeat(512 * 1024);
    for (let i = 0; i < 40; i++) turn.say(block);
    turn.complete();
    await expect.poll(() => lane.requests.entries.length, { timeout: 5_000 }).toBe(1);
    expect(lane.requests.entries[0]).toMatchObject({ status: 499 });
    raw.destroy();
  });
});

/** A stream whose bytes are looked at as they come. */
function rawStream({ paused = false } = {}) {
  let text = "";
  const req = request(`${lane.url}/v1/chat/completions`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${lane.apiKey}`,
      "content-type": "application/json",
      "x-session-key": "kitchen",
    },
  });
  const ended = new Promise<void>((resolve) => {
    req.once("error", () => resolve());
    req.once("response", (res) => {
      res.once("close", resolve);
      res.setEncoding("utf8");
      if (paused) res.pause();
      else res.on("data", (part: string) => (text += part));
    });
  });
  req.end(JSON.stringify(STREAM));
  return { text: () => text, ended, destroy: () => req.destroy() };
}

/** Waits until ingress has read the event with this text: it asks for the next one then. */
async function saidSoFar(text: string): Promise<void> {
  await expect
    .poll(() => lane.runner.last.events.some(({ event }) => event.value === text))
    .toBe(true);
  await expect.poll(() => lane.runner.told).toBe(lane.runner.last.events.length);
}

function contentOf(text: string): string {
  return events(text)
    .map((event) => (event as { choices?: { delta: { content?: string } }[] }).choices?.[0]?.delta)
    .map((delta) => delta?.content ?? "")
    .join("");
}
