import { eventually, gate, startConstellation, startModelServer } from "@lanekeeper/testing";
import { APIError } from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { openAi, say, user } from "../support/client.ts";
import { refused } from "../support/refused.ts";
import { spoken } from "../support/transcript.ts";

let model: Awaited<ReturnType<typeof startModelServer>>;
let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;
let client: ReturnType<typeof openAi>;

beforeAll(async () => {
  model = await startModelServer();
  const config = `
tenants:
  default:
    default_agent: main
    agents:
      main:
        model: { base_url: "${model.baseUrl}", model: stand-in, api_key_env: LANEKEEPER_MODEL_API_KEY }
        system_prompt: Be brief.
      impatient:
        model: { base_url: "${model.baseUrl}", model: stand-in, api_key_env: LANEKEEPER_MODEL_API_KEY }
        model_silence_timeout: 2s
      parrot:
        model: scripted
        tools: [session_status]
`;
  lanekeeper = await startConstellation({
    config,
    env: { LANEKEEPER_MODEL_API_KEY: "sk-stand-in" },
  });
  client = openAi(lanekeeper);
});
afterAll(async () => {
  await lanekeeper?.stop();
  await model?.[Symbol.asyncDispose]();
});
beforeEach(() => model.always({}));

describe("an OpenAI-compatible endpoint", () => {
  test("is asked with its key, the agent's prompt and the sampling of the request", async () => {
    const before = model.requests.length;
    await client.chat.completions.create(
      { model: "lanekeeper", messages: [user("hi")], temperature: 0.25, seed: 7 },
      { headers: { "x-session-key": "model:1" } },
    );
    const asked = model.requests[before];
    expect(asked?.headers["authorization"]).toBe("Bearer sk-stand-in");
    expect(asked?.model).toBe("stand-in");
    expect(asked?.stream).toBe(true);
    expect(asked?.body).toMatchObject({ temperature: 0.25, seed: 7 });
    expect(asked?.messages).toEqual([
      { role: "system", content: "Be brief." },
      { role: "user", content: "hi" },
    ]);
  });

  test("streams through: the first words arrive while the model still speaks", async () => {
    const rest = gate();
    model.next({ chunks: ["first ", "second"], chunkGates: { 1: rest } });
    const stream = await client.chat.completions.create(
      { model: "lanekeeper", messages: [user("talk")], stream: true },
      { headers: { "x-session-key": "model:2" } },
    );
    const pieces: string[] = [];
    let receipt: unknown;
    for await (const chunk of stream) {
      const text = chunk.choices[0]?.delta.content ?? "";
      if (text !== "") pieces.push(text);
      if (text !== "") rest.open();
      receipt = (chunk as { lanekeeper?: unknown }).lanekeeper ?? receipt;
    }
    expect(pieces.join("")).toBe("first second");
    expect(pieces.length).toBeGreaterThan(1);
    expect(receipt).toMatchObject({ session_key: "agent:main:model:2", generation: 1 });
  });

  test.each([
    ["fails", "main", { status: 400, errorMessage: "no" }, 502, "MODEL_FAILED"],
    ["stalls before its first word", "impatient", { stallAfter: 0 }, 504, "MODEL_TIMEOUT"],
    [
      "stalls in the middle",
      "impatient",
      { chunks: ["a", "b"], stallAfter: 1 },
      504,
      "MODEL_TIMEOUT",
    ],
    ["cuts its stream", "main", { chunks: ["a", "b"], cutAfter: 1 }, 502, "MODEL_STREAM_CUT"],
  ])(
    "that %s fails the turn with a reason and frees the lane",
    async (what, agent, behaviour, status, code) => {
      const key = `agent:${agent}:broken:${what}`;
      model.next(behaviour);
      const error = await refused(say(client, key, "hello?"));
      expect([error.status, error.code]).toEqual([status, code]);
      expect(error.headers.get("x-should-retry")).toBe("false");
      expect(error.headers.get("x-turn-id")).toMatch(/^[0-9a-f-]{36}$/);
      model.next({ text: "better now" });
      expect((await say(client, key, "again?")).text).toBe("better now");
      const lines = await spoken(lanekeeper, key);
      expect(lines).toEqual(["user: hello?", "user: again?", "assistant: better now"]);
    },
  );

  test("that breaks in the middle of a stream ends it with an error event", async () => {
    model.next({ chunks: ["half ", "rest"], cutAfter: 1 });
    const stream = await client.chat.completions.create(
      { model: "lanekeeper", messages: [user("talk")], stream: true },
      { headers: { "x-session-key": "broken:stream" } },
    );
    let text = "";
    const read = async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    };
    const error = await read().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(text).toBe("half ");
    expect(error).toBeInstanceOf(APIError);
    expect((error as APIError).code).toBe("MODEL_STREAM_CUT");
  });

  test("a turn that waits behind a broken one is not lost", async () => {
    const stuck = gate();
    const before = model.requests.length;
    model.next({
      status: 500,
      errorMessage: "no",
      headers: { "x-should-retry": "false" },
      gate: stuck,
    });
    const a = refused(say(client, "broken:behind", "first"));
    await model.request(before);
    model.next({ text: "second is fine" });
    const b = say(client, "broken:behind", "second");
    await eventually(async () => {
      const { lane } = await lanekeeper.call("runner.v1.RunnerService/GetLane", {
        sessionKey: "agent:main:broken:behind",
      });
      return (lane as { depth?: number }).depth === 1;
    });
    stuck.open();
    expect((await a).code).toBe("MODEL_FAILED");
    expect((await b).text).toBe("second is fine");
  });
});

describe("the scripted model", () => {
  const parrot = (key: string, text: string) =>
    client.chat.completions.create(
      { model: "lanekeeper/parrot", messages: [user(text)] },
      { headers: { "x-session-key": key } },
    );

  test("tells what it was shown, and its name says what it is", async () => {
    await parrot("parrot:1", "my name is Ada");
    const second = await parrot("parrot:1", "who am I?");
    expect(second.choices[0]?.message.content).toContain("I was shown 3 messages");
    expect(second.choices[0]?.message.content).toContain("1. user: my name is Ada");
    expect((second as unknown as { lanekeeper: { model: string } }).lanekeeper.model).toContain(
      "scripted",
    );
  });

  test("can be told to call a tool", async () => {
    const answer = await parrot("parrot:2", "!tool session_status {}");
    expect(answer.choices[0]?.message.content).toContain('"session_key":"agent:parrot:parrot:2"');
  });
});

test("GET /v1/models lists the agents", async () => {
  const ids: string[] = [];
  for await (const { id } of client.models.list()) ids.push(id);
  expect(ids).toEqual(
    expect.arrayContaining(["lanekeeper", "lanekeeper/main", "lanekeeper/parrot"]),
  );
  expect((await client.models.retrieve("lanekeeper/parrot")).id).toBe("lanekeeper/parrot");
});
