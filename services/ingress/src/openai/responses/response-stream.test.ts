import OpenAI from "openai";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { Disposition, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ask } from "../../testing/ask.ts";
import type { Script } from "../../testing/stand-in-runner.ts";
import { text } from "../parse-content.ts";
import { startTestIngress, type TestIngress } from "../../testing/test-ingress.ts";

type Event = OpenAI.Responses.ResponseStreamEvent;

let lane: TestIngress;
let client: OpenAI;

beforeEach(async () => {
  lane = await startTestIngress();
  client = new OpenAI({ apiKey: lane.apiKey, baseURL: `${lane.url}/v1`, maxRetries: 0 });
});

afterEach(async () => {
  await lane[Symbol.asyncDispose]();
});

async function streamed(script: Script, headers: Record<string, string> = {}): Promise<Event[]> {
  lane.runner.script = script;
  const body = { model: "lanekeeper", input: "Hi", stream: true } as const;
  const events: Event[] = [];
  for await (const event of await client.responses.create(body, {
    headers: { "x-session-key": "kitchen", ...headers },
  })) {
    events.push(event);
  }
  return events;
}

const types = (events: readonly { type: string }[]) =>
  events.map(({ type }) => type.replace("response.", ""));

const SAID = [
  "output_item.added",
  "content_part.added",
  "output_text.delta",
  "output_text.delta",
  "output_text.done",
  "content_part.done",
  "output_item.done",
];
const CALLED = [
  "output_item.added",
  "function_call_arguments.delta",
  "function_call_arguments.done",
  "output_item.done",
];

test("text: every event in OpenAI's order, numbered, under the same ids", async () => {
  const events = await streamed((turn) => turn.begin().say("Hello").say(", world").complete());
  expect(types(events)).toEqual(["created", "in_progress", ...SAID, "completed"]);
  expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, at) => at));
  const { turnId } = lane.runner.last;
  for (const event of events) {
    if ("response" in event) expect(event.response.id).toBe(`resp_${turnId}`);
    if ("item_id" in event) expect(event.item_id).toBe(`msg_${turnId}`);
    if ("item" in event) expect(event.item.id).toBe(`msg_${turnId}`);
    if ("output_index" in event) expect(event.output_index).toBe(0);
  }
  expect(events[0]).toMatchObject({
    response: { status: "in_progress", output: [], lanekeeper: { turn_id: turnId } },
  });
  expect(events[6]).toMatchObject({ text: "Hello, world" });
  expect(events[8]).toMatchObject({
    item: { status: "completed", content: [{ text: "Hello, world" }] },
  });
  expect(events.at(-1)).toMatchObject({
    response: {
      status: "completed",
      output: [{ content: [{ text: "Hello, world" }] }],
      usage: { total_tokens: 5 },
      lanekeeper: { disposition: "started", run_id: lane.runner.last.runId },
    },
  });
});

test("calls of the client's tools: each an item behind the text", async () => {
  const events = await streamed((turn) =>
    turn
      .begin()
      .say("Let me")
      .say(" look")
      .callTool("c1", "weather", '{"city":"Bonn"}')
      .callTool("c2", "weather", "{}")
      .complete({ finishReason: "tool_calls" }),
  );
  const expected = ["created", "in_progress", ...SAID, ...CALLED, ...CALLED, "completed"];
  expect(types(events)).toEqual(expected);
  const id = `fc_${lane.runner.last.turnId}_0`;
  expect(events.slice(9, 13)).toMatchObject([
    {
      output_index: 1,
      item: { id, call_id: "c1", name: "weather", arguments: "", status: "in_progress" },
    },
    { output_index: 1, item_id: id, delta: '{"city":"Bonn"}' },
    { output_index: 1, item_id: id, name: "weather", arguments: '{"city":"Bonn"}' },
    { output_index: 1, item: { id, arguments: '{"city":"Bonn"}', status: "completed" } },
  ]);
  const last = events.at(-1) as { response: OpenAI.Responses.Response };
  expect(last.response.output.map(({ type }) => type)).toEqual([
    "message",
    "function_call",
    "function_call",
  ]);
});

test("calls alone have no message", async () => {
  const events = await streamed((turn) =>
    turn.begin().callTool("c1", "weather", "{}").complete({ finishReason: "tool_calls" }),
  );
  expect(types(events)).toEqual(["created", "in_progress", ...CALLED, "completed"]);
  expect(events[2]).toMatchObject({ output_index: 0 });
});

test("an empty answer is a message all the same", async () => {
  const events = await streamed((turn) => turn.begin().complete());
  const silent = SAID.filter((type) => type !== "output_text.delta");
  expect(types(events)).toEqual(["created", "in_progress", ...silent, "completed"]);
});

test("an answer that was cut ends incomplete", async () => {
  const events = await streamed((turn) =>
    turn.begin().say("He").complete({ finishReason: "length" }),
  );
  expect(events.at(-1)).toMatchObject({
    type: "response.incomplete",
    response: { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } },
  });
});

test("waiting: queued, then in progress; who asks is told its place", async () => {
  lane.runner.disposition = Disposition.QUEUED;
  const script: Script = (turn) => {
    turn.wait({ position: 2, holderRunId: "r1", isBusyHint: true }).begin().say("Hi").complete();
  };
  const plain = await streamed(script);
  expect(types(plain).slice(0, 3)).toEqual(["created", "queued", "in_progress"]);
  expect(plain[0]).toMatchObject({ response: { status: "queued" } });
  const told = await streamed(script, { "x-busy-hint": "true" });
  expect(types(told).slice(0, 4)).toEqual(["created", "queued", "queued", "in_progress"]);
  expect(told[2]).toMatchObject({
    response: {
      status: "queued",
      lanekeeper: { queued: { position: 2, holder_run_id: "r1", busy_hint: true } },
    },
  });
});

test("a turn that fails ends the stream with response.failed and our reason", async () => {
  const events = await streamed((turn) =>
    turn.begin().say("He").end({ state: TurnState.FAILED, errorReason: "MODEL_STREAM_CUT" }),
  );
  expect(events.at(-1)).toMatchObject({
    type: "response.failed",
    response: { status: "failed", error: { code: "MODEL_STREAM_CUT" } },
  });
  await expect
    .poll(() => lane.log.lines.find(({ msg }) => msg === "request"))
    .toMatchObject({ reason: "MODEL_STREAM_CUT", route: "POST /v1/responses" });
});

test("an answer that is taken over ends with an error that the SDK throws", async () => {
  const script: Script = (turn) => {
    turn.begin().say("He").begin({ runId: "r2", discardPrevious: true });
  };
  await expect(streamed(script)).rejects.toMatchObject({ code: "TAKEN_OVER" });
  lane.runner.script = script;
  const { text } = await ask(lane, {
    path: "/v1/responses",
    body: { model: "lanekeeper", input: "Hi", stream: true },
  });
  const [name, data] = text.trimEnd().split("\n").slice(-2);
  expect(name).toBe("event: error");
  expect(JSON.parse((data ?? "").replace("data: ", ""))).toMatchObject({
    type: "error",
    code: "TAKEN_OVER",
    param: null,
    sequence_number: 5,
    error: { lanekeeper: { turn_id: lane.runner.last.turnId, should_retry: false } },
  });
});

test("the SDK's own reader of streams puts the response together", async () => {
  const stream = client.responses.stream({ model: "lanekeeper", input: "Hi" });
  expect((await stream.finalResponse()).output).toMatchObject([
    { type: "message", content: [{ type: "output_text", text: "Hello, world" }] },
  ]);
});

test("an answer whose words were not heard here, as of a turn that is joined late, is told whole", async () => {
  const reply = { role: Role.ASSISTANT, parts: [text("Hello, world")] };
  const events = await streamed((turn) => turn.end({ state: TurnState.COMPLETED, reply }));
  const said = SAID.toSpliced(2, 1);
  expect(types(events)).toEqual(["created", "in_progress", ...said, "completed"]);
  expect(events[4]).toMatchObject({ delta: "Hello, world" });
});
