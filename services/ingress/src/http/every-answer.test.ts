import { connect } from "node:net";
import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { later, LanekeeperError } from "@lanekeeper/rpc";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Ask, ask, HELLO } from "../testing/ask.ts";
import { addAccount, CHANNEL_ENV, HELPDESK, postEvent } from "../testing/channels.ts";
import { closed } from "../testing/raw-request.ts";
import { answerHello } from "../testing/stand-in-runner.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;

beforeAll(async () => {
  const corsOrigins = ["https://app.example"];
  lane = await startTestIngress({ channelEnv: CHANNEL_ENV, corsOrigins });
  addAccount(lane, HELPDESK);
});
afterAll(async () => {
  await lane[Symbol.asyncDispose]();
});
beforeEach(() => {
  lane.runner.disposition = Disposition.STARTED;
  lane.runner.refusal = undefined;
  lane.runner.script = answerHello;
});

const rpc = (method: string, body: object | string, headers = {}): Ask => ({
  path: `/lanekeeper.${method}`,
  body,
  headers,
});
const RESPONSE = { model: "lanekeeper", input: "Hi" };
const KEYED = { "x-session-key": "kitchen" };
const NOBODY = { authorization: "" };
const SUBMIT = "runner.v1.RunnerService/SubmitTurn";
const submit = (idempotencyKey: string) => ({
  ...{ idempotencyKey, fingerprint: "AAAA", turnClass: "TURN_CLASS_PERSON" },
  session: { sessionKey: "agent:main:k", sessionId: crypto.randomUUID(), generation: "1" },
  messages: [{ role: "ROLE_USER", parts: [{ text: "Hi" }] }],
});
const PREFLIGHT: Ask = {
  method: "OPTIONS",
  headers: { origin: "https://app.example", "access-control-request-method": "POST" },
};
const get = (path: string, headers = {}): Ask => ({ method: "GET", path, headers });

/** What is asked at which door, and what its answer says. */
const CASES: readonly (readonly [what: string, ask: Ask, status: number, disposition: string])[] = [
  ["home", get("/", NOBODY), 200, "stateless"],
  ["a path that leads nowhere", get("/v1/embeddings"), 404, "rejected"],
  ["another method", get("/v1/chat/completions"), 405, "rejected"],
  ["a preflight", PREFLIGHT, 204, "stateless"],
  ["a completion without a session", {}, 200, "stateless"],
  ["a completion", { headers: KEYED }, 200, "started"],
  ["a stream", { headers: KEYED, body: { ...HELLO, stream: true } }, 200, "started"],
  ["a completion without a key", { headers: NOBODY }, 401, "rejected"],
  ["a completion that is none", { body: "{" }, 400, "rejected"],
  ["a response", { path: "/v1/responses", headers: KEYED, body: RESPONSE }, 200, "started"],
  ["a response that is none", { path: "/v1/responses", body: {} }, 400, "rejected"],
  ["a stored response", get("/v1/responses/resp_nothing"), 404, "rejected"],
  ["a cancel", { path: "/v1/responses/resp_nothing/cancel", body: "" }, 404, "rejected"],
  ["models", get("/v1/models"), 200, "stateless"],
  ["no model", get("/v1/models/gpt-4o"), 404, "rejected"],
  ["events that nobody may see", get("/lanekeeper/v1/events", NOBODY), 401, "rejected"],
  ["an event without a signature", { path: "/channels/webhook/helpdesk" }, 401, "rejected"],
  ["an RPC", rpc("ingress.v1.IngressService/GetCaller", {}), 200, "stateless"],
  ["an RPC's GET", get(connectGet("ingress.v1.IngressService/GetCaller")), 200, "stateless"],
  ["an RPC without a key", rpc("ingress.v1.IngressService/GetCaller", {}, NOBODY), 401, "rejected"],
  ["an RPC that is no JSON", rpc("ingress.v1.IngressService/GetCaller", "{"), 400, "rejected"],
  [
    "an RPC of services alone",
    rpc("identity.v1.SessionIdentityService/BeginRun", {}),
    403,
    "rejected",
  ],
  ["no RPC", rpc("ingress.v1.IngressService/Nothing", {}), 404, "rejected"],
  [
    "an RPC as text",
    rpc("ingress.v1.IngressService/GetCaller", "x", { "content-type": "text/plain" }),
    415,
    "rejected",
  ],
  ["a turn over Connect", rpc(SUBMIT, submit("a")), 200, "started"],
  ["the same again", rpc(SUBMIT, submit("a")), 200, "joined"],
];

/** https://connectrpc.com/docs/protocol#unary-get-request */
function connectGet(method: string): string {
  return `/lanekeeper.${method}?connect=v1&encoding=json&message=%7B%7D`;
}

describe("every answer has its request's id and what became of it:", () => {
  test.each(CASES)("%s", async (_what, asked, status, disposition) => {
    const headers = { "x-request-id": "ticket-7", ...asked.headers };
    const answer = await ask(lane, { ...asked, headers });
    expect([answer.status, answer.text]).toEqual([status, answer.text]);
    expect(answer.headers).toMatchObject({
      "x-request-id": "ticket-7",
      "x-lane-disposition": disposition,
    });
  });

  test("every door is among them", () => {
    const asked = CASES.map(([, { method = "POST", path = "/v1/chat/completions" }]) => [
      method,
      path,
    ]);
    const isAsked = (door: string): boolean => {
      const [method, pattern = ""] = door.split(" ");
      const [prefix = "", suffix = ""] = pattern.split(/\{id\}|\*/);
      return asked.some(
        ([m, p = ""]) => m === method && p.startsWith(prefix) && p.endsWith(suffix),
      );
    };
    expect(lane.ingress.doors.filter((door) => !isAsked(door))).toEqual([]);
    expect(lane.ingress.doors.length).toBeGreaterThan(5);
  });
});

describe("a turn's fate is told by what was decided:", () => {
  test.each([
    [Disposition.QUEUED, "queued"],
    [Disposition.STEERED, "steered"],
    [Disposition.COALESCED, "coalesced"],
  ])("%i is %s", async (disposition, word) => {
    lane.runner.disposition = disposition;
    const { headers } = await ask(lane, { headers: KEYED });
    expect(headers["x-lane-disposition"]).toBe(word);
  });

  test("one that failed after its acceptance was not rejected", async () => {
    lane.runner.script = (turn) => turn.begin().end({ errorReason: "MODEL_FAILED" });
    const { status, headers } = await ask(lane, { headers: KEYED });
    expect(status).toBe(502);
    expect(headers).toMatchObject({ "x-lane-disposition": "started", "x-should-retry": "false" });
  });

  test.each([
    [429, later("QUEUE_FULL", "128 turns wait", 1_000)],
    [409, later("SESSION_BUSY", "another turn runs", 1_000)],
    [409, new LanekeeperError("HOP_LIMIT", "too far")],
  ])("%i is rejected", async (status, refusal) => {
    lane.runner.refusal = refusal;
    const answer = await ask(lane, { headers: KEYED });
    expect([answer.status, answer.headers["x-lane-disposition"]]).toEqual([status, "rejected"]);
    // Connect has statuses of its own.
    const { headers } = await ask(lane, rpc(SUBMIT, submit(crypto.randomUUID())));
    expect(headers["x-lane-disposition"]).toBe("rejected");
  });

  test("a channel's event has the same words, and a turn over Connect its receipt", async () => {
    const event = { session_key: "ticket:77", text: "Hello" };
    expect((await postEvent(lane, event)).headers["x-lane-disposition"]).toBe("started");
    expect((await postEvent(lane, event)).headers["x-lane-disposition"]).toBe("joined");
    const { headers } = await ask(lane, rpc(SUBMIT, submit("receipt")));
    expect(headers).toMatchObject({
      ...{ "x-turn-id": lane.runner.last.turnId, "x-session-key": "agent:main:k" },
      ...{ "x-session-generation": "1", "x-lane-position": "0" },
    });
  });
});

test("a name with a line break stands encoded in the answer, and opens no header", async () => {
  const headers = { "x-session-key-encoded": "a%0d%0aset-cookie:%20b" };
  const answer = await ask(lane, { headers });
  expect(answer.headers).not.toHaveProperty("set-cookie");
  const told = answer.headers["x-session-key-encoded"] ?? "";
  expect(decodeURIComponent(String(told))).toBe("agent:main:a\r\nset-cookie: b");
});

describe("a label that cannot be kept is replaced:", () => {
  test.each(["a b", "x".repeat(129), "é", ""])("%j", async (label) => {
    const { headers } = await ask(lane, { headers: { "x-request-id": label } });
    expect(headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });
});

test.each([
  ["HELLO\r\n\r\n", 400],
  [`GET / HTTP/1.1\r\nhost: x\r\nx: ${"x".repeat(20_000)}\r\n\r\n`, 431],
  ["GET / HTTP/1.1\r\nhost: x", 408],
])("what never became a request has both too", async (bytes, status) => {
  const limits = { headersTimeoutMs: 100, requestTimeoutMs: 100, timeoutCheckMs: 20 };
  await using hasty = await startTestIngress(status === 408 ? { limits } : {});
  const socket = connect(hasty.ingress.httpPort, "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (part: string) => (text += part));
  socket.on("error", () => undefined).write(bytes);
  await closed(socket);
  expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(text).toMatch(/\r\nx-request-id: [0-9a-f-]{36}\r\n/);
  expect(text).toContain("\r\nx-lane-disposition: rejected\r\n");
});
