import { type Message, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask } from "../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;
beforeAll(async () => {
  lane = await startTestIngress();
});
afterAll(() => lane[Symbol.asyncDispose]());

const KEYED = { "x-session-key": "kitchen" };
const said = (role: string, content: string) => ({ role, content });
const SYSTEM = said("system", "Be brief.");

/** A history of so many exchanges, each answer of so many bytes, and what is new. */
function resent(exchanges: number, answerBytes: number, last = "and now?") {
  const history = Array.from({ length: exchanges }, (_, n) => [
    said("user", `question ${n}`),
    said("assistant", `${n} `.padEnd(answerBytes, "x")),
  ]);
  return [SYSTEM, ...history.flat(), said("user", last)];
}

const chat = (messages: readonly object[], headers: Record<string, string> = KEYED) =>
  ask(lane, { headers, body: { model: "lanekeeper", messages } });

const textOf = ({ parts: [part] }: Message) =>
  part?.content.case === "text" ? part.content.value.split(" x", 1)[0] : part?.content.case;

test("a history of more bytes than the runner takes goes on without its oldest exchanges", async () => {
  const { status } = await chat(resent(60, 72_000));
  expect(status).toBe(200);
  const { messages } = lane.runner.last.submit;
  expect(messages.length).toBeGreaterThan(110);
  expect(messages.length).toBeLessThan(122);
  expect(messages.slice(0, 2).map(({ role }) => role)).toEqual([Role.SYSTEM, Role.USER]);
  expect(messages.slice(-3).map(textOf)).toEqual(["question 59", "59", "and now?"]);
});

test("so does a history of more messages than it takes", async () => {
  expect((await chat(resent(1_500, 10))).status).toBe(200);
  const { messages } = lane.runner.last.submit;
  expect(messages).toHaveLength(1_000);
  expect(messages.slice(0, 2).map(textOf)).toEqual(["Be brief.", "question 1001"]);
});

test("and of the Responses API, whose calls and results stay together", async () => {
  const turns = Array.from({ length: 400 }, (_, n) => [
    said("user", `question ${n}`),
    { type: "function_call", call_id: `c${n}`, name: "look", arguments: "{}" },
    { type: "function_call_output", call_id: `c${n}`, output: "sun" },
    said("assistant", `${n}`),
  ]);
  const body = { model: "lanekeeper", input: [...turns.flat(), said("user", "and now?")] };
  const { status } = await ask(lane, { path: "/v1/responses", headers: KEYED, body });
  expect(status).toBe(200);
  const { messages } = lane.runner.last.submit;
  expect(messages).toHaveLength(997);
  expect(messages[0]?.role).toBe(Role.USER);
});

test("the same bytes again are the same request", async () => {
  const headers = { ...KEYED, "idempotency-key": "once" };
  await chat(resent(600, 10), headers);
  const before = lane.runner.turns.length;
  const again = await chat(resent(600, 10), headers);
  expect([again.status, again.headers["x-lane-disposition"]]).toEqual([200, "joined"]);
  const other = await chat(resent(601, 10), headers);
  expect([other.status, lane.runner.turns.length]).toEqual([422, before]);
});

test.each<
  readonly [what: string, messages: () => object[], keyed: boolean, status: number, said: RegExp]
>([
  [
    "what is new has too many bytes",
    () => resent(2, 10, "x".repeat(4_300_000)),
    true,
    413,
    /^messages: may have 4\d{6} bytes beside the parameters, got 43\d{5}; counted are/,
  ],
  [
    "what is new are too many messages",
    () => [...resent(2, 10), ...Array<object>(1_000).fill(said("user", "and?"))],
    true,
    400,
    /^messages: may have 1000 messages, got 1003; counted are .* older ones are left out/,
  ],
  [
    "more are shown than are read",
    () => resent(5_000, 1),
    true,
    400,
    /^messages: may have 10000 messages, got 10002/,
  ],
  [
    "all of it is the context, since there is no session",
    () => resent(600, 10),
    false,
    400,
    /^messages: may have 1000 messages, got 1202; without a session all/,
  ],
])("refused in the caller's words: %s", async (_what, messages, keyed, status, words) => {
  const before = lane.runner.turns.length;
  const answer = await chat(messages(), keyed ? KEYED : {});
  const { error } = answer.json as { error: { message: string; param: string } };
  expect([answer.status, error.param]).toEqual([status, "messages"]);
  expect(error.message).toMatch(words);
  expect(lane.runner.turns.length).toBe(before);
});
