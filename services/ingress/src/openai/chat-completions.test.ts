import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
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

const HELLO = { model: "lanekeeper", messages: [{ role: "user" as const, content: "Hi" }] };

describe("a plain chat completion", () => {
  test("answers in OpenAI's shape, with the receipt in headers and body", async () => {
    const { data, response } = await client.chat.completions
      .create(HELLO, { headers: { "x-session-key": "kitchen" } })
      .withResponse();
    expect(data).toMatchObject({
      object: "chat.completion",
      model: "lanekeeper",
      choices: [
        {
          index: 0,
          finish_reason: "stop",
          message: { role: "assistant", content: "Hello, world" },
        },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    });
    const turn = lane.runner.last;
    expect(data).toMatchObject({
      id: `chatcmpl-${turn.turnId}`,
      lanekeeper: {
        session_key: "agent:main:kitchen",
        generation: 1,
        turn_id: turn.turnId,
        run_id: turn.runId,
        disposition: "started",
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
});
