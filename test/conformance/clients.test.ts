import { randomUUID } from "node:crypto";
import { eventually, gate, startConstellation, startModelServer } from "@lanekeeper/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { untilQueued } from "../support/lane.ts";
import { spoken, transcript } from "../support/transcript.ts";
import { aiSdk } from "./clients/ai-sdk.ts";
import { curl, hasCurl } from "./clients/curl.ts";
import { langChain } from "./clients/langchain.ts";
import { openAiChat } from "./clients/openai-chat.ts";
import { openAiResponses } from "./clients/openai-responses.ts";
import type { ConformingClient, Lane } from "./conforming.ts";
import { startCuttingProxy } from "./cutting-proxy.ts";

let model: Awaited<ReturnType<typeof startModelServer>>;
let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;

beforeAll(async () => {
  model = await startModelServer();
  lanekeeper = await startConstellation({ model });
});
afterAll(async () => {
  await lanekeeper?.stop();
  await model?.[Symbol.asyncDispose]();
});
beforeEach(() => model.always({}));

const STORM = 6;

const CLIENTS: readonly ConformingClient[] = [
  openAiChat,
  openAiResponses,
  aiSdk,
  langChain,
  ...(hasCurl ? [curl] : []),
];

/** A session of its own for each test. */
function newLane(baseUrl = lanekeeper.baseUrl): Lane & { readonly canonical: string } {
  const key = `c:${randomUUID()}`;
  return { baseUrl, apiKey: lanekeeper.apiKey, key, canonical: `agent:main:${key}` };
}

async function all(pieces: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const piece of pieces) text += piece;
  return text;
}

describe.each(CLIENTS)("$name", (client) => {
  test("waits for its turn, then streams, and remembers what was said", async () => {
    const first = gate();
    const lane = newLane();
    const before = model.requests.length;
    model.next({ text: "hello Ada", gate: first });
    model.next({ chunks: ["you", " are ", "Ada"] });
    const said = client.say(lane, "I am Ada");
    await model.request(before);
    const streamed = all(client.stream(lane, "who am I?"));
    await untilQueued(lanekeeper, lane.canonical, 1);
    first.open();
    expect(await said).toBe("hello Ada");
    expect(await streamed).toBe("you are Ada");
    expect(await spoken(lanekeeper, lane.canonical)).toEqual([
      "user: I am Ada",
      "assistant: hello Ada",
      "user: who am I?",
      "assistant: you are Ada",
    ]);
  });

  test("runs its own tool; call and result stand in the session once", async () => {
    const lane = newLane();
    model.next({ toolCalls: [{ id: "call_1", name: "weather", arguments: { city: "Bonn" } }] });
    model.next({ text: "It is sunny." });
    const before = model.requests.length;
    const answer = await client.useWeather(lane, "How is it in Bonn?", (city) => `sun in ${city}`);
    expect(answer).toBe("It is sunny.");
    const shown = model.requests.at(-1);
    expect(model.requests).toHaveLength(before + 2);
    expect(shown?.messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool"]);
    expect(JSON.stringify(shown?.messages[2])).toContain("sun in Bonn");
    expect(JSON.stringify(shown?.body["tools"])).toContain('"weather"');
    const lines = await transcript(lanekeeper, lane.canonical);
    expect(lines.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "assistant"]);
  });

  test("a storm of retries after cut connections: every answer, and each question asked once", async () => {
    const before = model.requests.length;
    const arrived = eventually(() => model.requests.length >= before + STORM, {
      timeoutMs: 60_000,
      what: "every request has arrived",
    }).then(() => undefined);
    await using proxy = await startCuttingProxy(lanekeeper.baseUrl, {
      count: STORM,
      when: arrived,
    });
    const held = gate();
    model.always(({ messages }) => ({
      text: `re: ${String(messages.at(-1)?.content)}`,
      gate: held,
    }));
    const lanes = Array.from({ length: STORM }, () => newLane(proxy.baseUrl));
    const answers = Promise.all(lanes.map((lane, index) => client.say(lane, `question ${index}`)));
    await eventually(() => proxy.cuts === STORM, { timeoutMs: 60_000, what: "all were cut" });
    held.open();
    expect(await answers).toEqual(lanes.map((_, index) => `re: question ${index}`));
    expect(model.requests).toHaveLength(before + STORM);
    for (const [index, lane] of lanes.entries()) {
      expect(await spoken(lanekeeper, lane.canonical)).toEqual([
        `user: question ${index}`,
        `assistant: re: question ${index}`,
      ]);
    }
  });

  test("a slow reader holds up nobody and reads everything", async () => {
    const lane = newLane();
    const chunks = Array.from({ length: 300 }, (_, index) => `${index}:${"x".repeat(2_000)};`);
    model.next({ chunks });
    let text = "";
    for await (const piece of client.stream(lane, "tell me more")) {
      // Reads its first words, and the rest only when the turn has long ended.
      if (text === "" && piece !== "") await untilCommitted(lane.canonical, 2);
      text += piece;
    }
    expect(text).toBe(chunks.join(""));
  });

  test("hangs up in the middle: the turn goes on, and the next one knows its answer", async () => {
    const lane = newLane();
    const rest = gate();
    model.next({ chunks: ["once ", "upon a time"], chunkGates: { 1: rest } });
    const leave = new AbortController();
    const reading = (async () => {
      for await (const piece of client.stream(lane, "tell me a story", leave.signal)) {
        if (piece !== "") leave.abort();
      }
    })().catch(() => undefined);
    await reading;
    const left = async () => (await leftBehind(lane.canonical)) === 499;
    await eventually(left, { what: "the log says that the client left" });
    rest.open();
    await untilCommitted(lane.canonical, 2);
    model.next({ text: "the end" });
    expect(await client.say(lane, "and then?")).toBe("the end");
    expect(model.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
      "tell me a story",
      "once upon a time",
      "and then?",
    ]);
  });

  test("an answer that breaks off is an error, not a short answer", async () => {
    const lane = newLane();
    model.next({ chunks: ["once ", "upon"], cutAfter: 1 });
    await expect(all(client.stream(lane, "tell me a story"))).rejects.toThrow();
  });
});

async function untilCommitted(canonical: string, messages: number): Promise<void> {
  const isSo = async () => (await transcript(lanekeeper, canonical)).length === messages;
  await eventually(isSo, { what: `${messages} messages stand in ${canonical}` });
}

async function leftBehind(canonical: string): Promise<unknown> {
  const lines = await lanekeeper.logs("ingress");
  const line = lines.find((one) => one["session_key"] === canonical && one["msg"] === "request");
  return line?.["status"];
}
