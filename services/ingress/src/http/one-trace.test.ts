import { afterEach, beforeEach, expect, test } from "vitest";
import { type Ask, ask } from "../testing/ask.ts";
import { addAccount, CHANNEL_ENV, HELPDESK, postEvent } from "../testing/channels.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;

beforeEach(async () => {
  lane = await startTestIngress({ channelEnv: CHANNEL_ENV });
  addAccount(lane, HELPDESK);
});
afterEach(async () => {
  await lane[Symbol.asyncDispose]();
});

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const TRACEPARENT = `00-${TRACE}-b7ad6b7169203331-01`;
const KEYED = { traceparent: TRACEPARENT, "x-session-key": "kitchen" };
const STRANGER = { authorization: "Bearer lk_nobody_knows_this_one" };
const RUNNER = "/lanekeeper.runner.v1.RunnerService";
const IDENTITY = "/lanekeeper.identity.v1.SessionIdentityService";
const LANE = { sessionKey: "agent:main:kitchen" };
const HELLO = [{ role: "user", content: "Hi" }];

/** The trace of each call to a neighbour, and of the request's own line. */
async function tracesOf(what: () => Promise<{ readonly text: string }>): Promise<Set<unknown>> {
  const { identity, runner, delivery, log } = lane;
  identity.calls.length = 0;
  runner.calls.length = 0;
  const from = log.lines.length;
  const lines = () => log.lines.slice(from);
  await what();
  await expect.poll(() => lines().some(({ msg }) => msg === "request")).toBe(true);
  const calls = [...identity.calls, ...runner.calls, ...delivery.watches];
  const ofCalls = calls.map(({ call }) => call.traceparent?.split("-")[1]);
  return new Set([...ofCalls, ...lines().map((line) => line["trace_id"])]);
}

const ANSWERED: [string, Ask][] = [
  ["a plain request", { headers: { ...KEYED, "idempotency-key": "k" } }],
  [
    "a streamed one",
    { headers: KEYED, body: { model: "lanekeeper", messages: HELLO, stream: true } },
  ],
  ["a stateless one", { headers: { traceparent: TRACEPARENT } }],
  [
    "a response",
    { headers: KEYED, path: "/v1/responses", body: { model: "lanekeeper", input: "Hi" } },
  ],
  ["the models", { headers: KEYED, path: "/v1/models", method: "GET" }],
  ["events", { headers: KEYED, path: "/lanekeeper/v1/events", method: "HEAD" }],
  ["an RPC over Connect", { headers: KEYED, path: `${RUNNER}/GetLane`, body: LANE }],
  ["one of another service", { headers: KEYED, path: `${IDENTITY}/GetSession`, body: LANE }],
  ["one that nobody may make", { headers: { ...KEYED, ...STRANGER }, path: `${RUNNER}/GetLane` }],
  ["one whose body is none", { headers: KEYED, path: `${RUNNER}/GetLane`, body: "{" }],
  ["a path that leads nowhere", { headers: KEYED, path: "/v1/nowhere" }],
  ["a body that is none", { headers: KEYED, body: "{" }],
];

test.each(ANSWERED)("%s is of one trace, in its lines and at every neighbour", async (_, what) => {
  expect(await tracesOf(() => ask(lane, what))).toEqual(new Set([TRACE]));
});

test("a stored response that is read, gone on from and cancelled", async () => {
  const headers = { traceparent: TRACEPARENT };
  const path = "/v1/responses";
  const { json } = await ask(lane, { path, body: { model: "lanekeeper", input: "Hi" } });
  const { id } = json as { id: string };
  const steps: Ask[] = [
    { headers, path: `${path}/${id}`, method: "GET" },
    { headers, path: `${path}/${id}/cancel`, body: {} },
    { headers, path, body: { model: "lanekeeper", input: "On", previous_response_id: id } },
  ];
  for (const step of steps) {
    expect(await tracesOf(() => ask(lane, step))).toEqual(new Set([TRACE]));
    expect(lane.runner.calls.length).toBeGreaterThan(0);
  }
});

test("an event of a channel, a command and a post that nobody signed", async () => {
  const headers = { traceparent: TRACEPARENT };
  const event = (text: string) => ({ session_key: "ticket:77", text, sender_id: "ada" });
  for (const [id, text] of ["Hello", "/new"].entries()) {
    const post = () => postEvent(lane, event(text), { id: `evt-${id}`, headers });
    expect(await tracesOf(post)).toEqual(new Set([TRACE]));
    expect(lane.identity.calls.length).toBeGreaterThan(0);
  }
  const forged = () => postEvent(lane, event("Pay me"), { forged: "{}", headers });
  expect(await tracesOf(forged)).toEqual(new Set([TRACE]));
});
