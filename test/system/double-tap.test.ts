import { gate, startConstellation, startModelServer } from "@lanekeeper/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { assistant, openAi, say, user } from "../support/client.ts";
import { untilQueued } from "../support/lane.ts";
import { refused } from "../support/refused.ts";
import { spoken, transcript } from "../support/transcript.ts";

let model: Awaited<ReturnType<typeof startModelServer>>;
let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;
let client: ReturnType<typeof openAi>;

beforeAll(async () => {
  model = await startModelServer();
  lanekeeper = await startConstellation({ model });
  client = openAi(lanekeeper);
});
afterAll(async () => {
  await lanekeeper?.stop();
  await model?.[Symbol.asyncDispose]();
});
beforeEach(() => model.always({}));

/** What the model was shown, as "role: content". */
function shownTo(index: number): string[] {
  const request = model.requests[index];
  if (request === undefined) throw new Error(`the model was not asked a request ${index}`);
  return request.messages.map(({ role, content }) => `${role}: ${String(content)}`);
}

test("the second tap waits, then answers with the first exchange in its context", async () => {
  const first = gate();
  const before = model.requests.length;
  model.next({ text: "hello Ada", gate: first });
  model.next({ text: "you are Ada" });
  const a = say(client, "tap:1", "my name is Ada");
  await model.request(before);
  const b = say(client, "tap:1", [user("my name is Ada"), user("who am I?")]);
  await untilQueued(lanekeeper, "agent:main:tap:1", 1);
  expect(model.requests).toHaveLength(before + 1);
  first.open();

  const [answerA, answerB] = await Promise.all([a, b]);
  expect(answerA.text).toBe("hello Ada");
  expect(answerB.text).toBe("you are Ada");
  expect(shownTo(before + 1)).toEqual([
    "user: my name is Ada",
    "assistant: hello Ada",
    "user: who am I?",
  ]);
  expect(answerB.receipt.session_id).toBe(answerA.receipt.session_id);
  expect(answerA.headers.get("x-lane-disposition")).toBe("started");
  expect(answerB.headers.get("x-lane-disposition")).toBe("queued");
  expect(await spoken(lanekeeper, "agent:main:tap:1")).toEqual([
    "user: my name is Ada",
    "assistant: hello Ada",
    "user: who am I?",
    "assistant: you are Ada",
  ]);
});

test("a client that resends its whole history adds only what is new", async () => {
  model.next({ text: "one" });
  await say(client, "history:1", "first");
  const before = model.requests.length;
  model.next({ text: "two" });
  await say(client, "history:1", [user("first"), assistant("one"), user("second")]);
  expect(shownTo(before)).toEqual(["user: first", "assistant: one", "user: second"]);
  expect(await spoken(lanekeeper, "agent:main:history:1")).toEqual([
    "user: first",
    "assistant: one",
    "user: second",
    "assistant: two",
  ]);
});

test("64 simultaneous first requests, raw and qualified mixed: 64 answers, one session", async () => {
  const keys = ["crowd:1", "agent:main:crowd:1", "Agent:MAIN:crowd:1"];
  const answers = await Promise.all(
    Array.from({ length: 64 }, (_, index) =>
      say(client, keys[index % keys.length] ?? "", `message ${index}`),
    ),
  );
  expect(new Set(answers.map(({ receipt }) => receipt.session_id)).size).toBe(1);
  expect(new Set(answers.map(({ receipt }) => receipt.turn_id)).size).toBe(64);
  const lines = await transcript(lanekeeper, "agent:main:crowd:1");
  expect(lines.filter(({ role }) => role === "user")).toHaveLength(64);
  expect(lines.map(({ role }) => role)).toEqual(
    Array.from({ length: 128 }, (_, index) => (index % 2 === 0 ? "user" : "assistant")),
  );
});

describe("x-on-conflict: reject", () => {
  test("answers 409 at once and names the holder; nothing of it is kept", async () => {
    const held = gate();
    const before = model.requests.length;
    model.next({ text: "done", gate: held });
    const a = say(client, "busy:1", "take your time");
    await model.request(before);
    const refusal = await refused(say(client, "busy:1", "now!", { "x-on-conflict": "reject" }));
    held.open();
    const { receipt } = await a;

    expect(refusal.status).toBe(409);
    expect(refusal.code).toBe("SESSION_BUSY");
    expect(refusal.error).toMatchObject({
      lanekeeper: { busy: { holder_run_id: receipt.run_id } },
    });
    expect(Number(refusal.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(refusal.headers.get("x-should-retry")).toBe("true");
    expect(refusal.headers.get("x-lane-disposition")).toBe("rejected");
    expect(await spoken(lanekeeper, "agent:main:busy:1")).toEqual([
      "user: take your time",
      "assistant: done",
    ]);
  });

  test("runs when the lane is free", async () => {
    const answer = await say(client, "free:1", "hi", { "x-on-conflict": "reject" });
    expect(answer.headers.get("x-lane-disposition")).toBe("started");
  });
});

test("the same Idempotency-Key has one turn and one answer; other content is refused", async () => {
  const headers = { "Idempotency-Key": "order-1" };
  const answers = await Promise.all([
    say(client, "idem:1", "pay", headers),
    say(client, "idem:1", "pay", headers),
  ]);
  const again = await say(client, "idem:1", "pay", headers);
  const turns = [...answers, again].map(({ receipt }) => receipt.turn_id);
  expect(new Set(turns).size).toBe(1);
  expect(new Set([...answers, again].map(({ text }) => text)).size).toBe(1);
  const refusal = await refused(say(client, "idem:1", "pay twice", headers));
  expect([refusal.status, refusal.code]).toEqual([422, "IDEMPOTENCY_MISMATCH"]);
  expect(await spoken(lanekeeper, "agent:main:idem:1")).toHaveLength(2);
});
