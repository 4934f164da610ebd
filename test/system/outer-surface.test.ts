import { randomUUID } from "node:crypto";
import { request as httpRequest } from "node:http";

import { startConstellation } from "@lanekeeper/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { openAi, say } from "../support/client.ts";

let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;

beforeAll(async () => {
  lanekeeper = await startConstellation();
});
afterAll(() => lanekeeper?.stop());

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** Sends a request byte for byte: fetch would mend some of what is wrong with these. */
function send(options: {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: readonly string[];
  readonly body?: string | Buffer;
}): Promise<Answered> {
  const { method = "POST", path = "/v1/chat/completions", headers = [], body = "" } = options;
  const { hostname, port } = new URL(lanekeeper.baseUrl);
  const length = ["content-length", String(Buffer.byteLength(body))];
  return new Promise((resolve, reject) => {
    const raw = ["host", hostname, ...headers, ...length];
    const request = httpRequest(
      { hostname, port, method, path, headers: raw as never },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        });
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

const auth = () => ["authorization", `Bearer ${lanekeeper.apiKey}`];
const json = ["content-type", "application/json"];
const chat = (more: object = {}) =>
  JSON.stringify({ model: "lanekeeper", messages: [{ role: "user", content: "hi" }], ...more });
const key = (value: string) => ["x-session-key", value];

type Case = [
  what: string,
  status: number,
  reason: string,
  request: () => { path?: string; method?: string; headers?: string[]; body?: string | Buffer },
];

const cases: Case[] = [
  [
    "malformed JSON",
    400,
    "INVALID_REQUEST",
    () => ({ headers: [...auth(), ...json], body: '{"model":' }),
  ],
  [
    "a body that is no object",
    400,
    "INVALID_REQUEST",
    () => ({ headers: [...auth(), ...json], body: "[]" }),
  ],
  [
    "no messages",
    400,
    "INVALID_REQUEST",
    () => ({ headers: [...auth(), ...json], body: chat({ messages: [] }) }),
  ],
  [
    "an unknown role",
    400,
    "INVALID_REQUEST",
    () => ({
      headers: [...auth(), ...json],
      body: chat({ messages: [{ role: "boss", content: "x" }] }),
    }),
  ],
  [
    "an unknown model",
    404,
    "UNKNOWN_MODEL",
    () => ({ headers: [...auth(), ...json], body: chat({ model: "gpt-4o" }) }),
  ],
  [
    "an agent that there is not",
    404,
    "UNKNOWN_MODEL",
    () => ({
      headers: [...auth(), ...json, ...key("k")],
      body: chat({ model: "lanekeeper/nobody" }),
    }),
  ],
  ["no credential", 401, "UNAUTHENTICATED", () => ({ headers: json, body: chat() })],
  [
    "a wrong credential",
    401,
    "UNAUTHENTICATED",
    () => ({ headers: ["authorization", "Bearer lk_wrong", ...json], body: chat() }),
  ],
  [
    "a malformed key",
    400,
    "MALFORMED_KEY",
    () => ({ headers: [...auth(), ...json, ...key("agent:main:")], body: chat() }),
  ],
  [
    "an empty key",
    400,
    "MALFORMED_KEY",
    () => ({ headers: [...auth(), ...json, ...key("")], body: chat() }),
  ],
  [
    "a key that is too long",
    400,
    "KEY_TOO_LONG",
    () => ({ headers: [...auth(), ...json, ...key("k".repeat(1025))], body: chat() }),
  ],
  [
    "a reserved key",
    403,
    "RESERVED_NAMESPACE",
    () => ({ headers: [...auth(), ...json, ...key("cron:nightly")], body: chat() }),
  ],
  [
    "another agent's key",
    400,
    "AGENT_MISMATCH",
    () => ({
      headers: [...auth(), ...json, ...key("agent:work:x")],
      body: chat({ model: "lanekeeper/main" }),
    }),
  ],
  [
    "a repeated key header",
    400,
    "INVALID_REQUEST",
    () => ({ headers: [...auth(), ...json, ...key("a"), ...key("a")], body: chat() }),
  ],
  [
    "a key header that is not ASCII",
    400,
    "INVALID_REQUEST",
    () => ({ headers: [...auth(), ...json, ...key("caf\u00e9")], body: chat() }),
  ],
  [
    "two keys that disagree",
    400,
    "INVALID_REQUEST",
    () => ({
      headers: [...auth(), ...json, ...key("a"), "x-openclaw-session-key", "b"],
      body: chat(),
    }),
  ],
  [
    "an unknown x-on-conflict",
    400,
    "INVALID_REQUEST",
    () => ({
      headers: [...auth(), ...json, ...key("a"), "x-on-conflict", "explode"],
      body: chat(),
    }),
  ],
  [
    "another content type",
    415,
    "UNSUPPORTED_MEDIA_TYPE",
    () => ({ headers: [...auth(), "content-type", "text/plain"], body: chat() }),
  ],
  [
    "a body over the limit",
    413,
    "PAYLOAD_TOO_LARGE",
    () => ({
      headers: [...auth(), ...json],
      body: chat({ messages: [{ role: "user", content: "x".repeat(9 * 1024 * 1024) }] }),
    }),
  ],
  [
    "an expected session id that is not current",
    409,
    "GENERATION_MISMATCH",
    () => ({
      headers: [
        ...auth(),
        ...json,
        ...key("fresh"),
        "x-expect-session-id",
        "018f0000-0000-7000-8000-000000000000",
      ],
      body: chat(),
    }),
  ],
  [
    "a path that there is not",
    404,
    "NOT_FOUND",
    () => ({ path: "/v1/embeddings", headers: [...auth(), ...json], body: "{}" }),
  ],
];

describe("bad input gets its reason in OpenAI's shape, and changes nothing", () => {
  test.each(cases)("%s: %i %s", async (_what, status, reason, make) => {
    const before = await written();
    const answer = await send(make());
    expect(answer.status).toBe(status);
    const { error } = JSON.parse(answer.text) as { error: Record<string, unknown> };
    expect(error["code"]).toBe(reason);
    expect(error["message"]).toEqual(expect.any(String));
    expect(error["type"]).toEqual(expect.any(String));
    expect(answer.headers["x-request-id"]).toBeDefined();
    expect(answer.headers["x-should-retry"]).toBe("false");
    expect(await written()).toEqual(before);
  });

  async function written() {
    const { sessions } = await lanekeeper.call(
      "identity.v1.SessionIdentityService/ListSessions",
      {},
    );
    const { turns } = await lanekeeper.call("runner.v1.RunnerService/ListTurns", {});
    return { sessions, turns };
  }
});

describe("Connect JSON", () => {
  const resolve = "identity.v1.SessionIdentityService/ResolveSession";

  test("resolves a key as curl would", async () => {
    const answer = await lanekeeper.call(resolve, { rawKey: "connect:1" });
    expect(answer["session"]).toMatchObject({
      ref: { sessionKey: "agent:main:connect:1", generation: "1" },
    });
    const again = await lanekeeper.call(resolve, { rawKey: "agent:main:connect:1" });
    expect(again["session"]).toEqual(answer["session"]);
  });

  test.each([
    [
      "a misspelt field",
      "RotateSession",
      {
        requestId: "r",
        sessionKey: "agent:main:connect:1",
        reason: "ROTATION_REASON_RESET",
        expectedGeneratoin: "3",
      },
    ],
    [
      "a misspelt enum value",
      "RotateSession",
      { requestId: "r", sessionKey: "agent:main:connect:1", reason: "ROTATION_REASON_REST" },
    ],
    ["a wrong type", "ResolveSession", { rawKey: 7 }],
  ])("refuses %s and changes nothing", async (_what, method, request) => {
    await lanekeeper.call(resolve, { rawKey: "connect:1" });
    const call = lanekeeper.call(`identity.v1.SessionIdentityService/${method}`, request);
    await expect(call).rejects.toMatchObject({ status: 400, reason: "INVALID_REQUEST" });
    const { session } = await lanekeeper.call("identity.v1.SessionIdentityService/GetSession", {
      sessionKey: "agent:main:connect:1",
    });
    expect(session).toMatchObject({ ref: { generation: "1" } });
  });

  test("offers no call that belongs to services alone", async () => {
    const begin = lanekeeper.call("identity.v1.SessionIdentityService/BeginRun", {
      sessionKey: "agent:main:connect:1",
      runId: randomUUID(),
    });
    await expect(begin).rejects.toMatchObject({ status: expect.toBeOneOf([403, 404]) });
  });

  test("explains a key that would be refused", async () => {
    const answer = await lanekeeper.call("identity.v1.SessionIdentityService/ExplainKey", {
      rawKey: "cron:nightly",
    });
    expect(JSON.stringify(answer["refusal"])).toContain("RESERVED_NAMESPACE");
  });
});

describe("receipts", () => {
  test("headers and body tell which session was hit", async () => {
    const { receipt, headers } = await say(openAi(lanekeeper), "receipt:1", "hi", {
      "x-request-id": "label-1",
    });
    expect(headers.get("x-request-id")).toBe("label-1");
    expect(headers.get("x-session-key")).toBe("agent:main:receipt:1");
    expect(headers.get("x-session-id")).toBe(receipt.session_id);
    expect(headers.get("x-session-generation")).toBe("1");
    expect(headers.get("x-turn-id")).toBe(receipt.turn_id);
    expect(receipt).toMatchObject({ session_key: "agent:main:receipt:1", generation: 1 });
  });

  test("a key that is not ASCII comes back percent-encoded", async () => {
    const client = openAi(lanekeeper);
    const { response } = await client.chat.completions
      .create(
        { model: "lanekeeper", messages: [{ role: "user", content: "hi" }] },
        { headers: { "x-session-key-encoded": encodeURIComponent("notes:café") } },
      )
      .withResponse();
    const encoded = response.headers.get("x-session-key-encoded");
    expect(decodeURIComponent(encoded ?? "")).toBe("agent:main:notes:café");
  });

  test("without a key the request is stateless, and says so", async () => {
    const client = openAi(lanekeeper);
    const { data, response } = await client.chat.completions
      .create({ model: "lanekeeper", messages: [{ role: "user", content: "hi" }] })
      .withResponse();
    expect(response.headers.get("x-lane-disposition")).toBe("stateless");
    expect(response.headers.get("x-session-id")).toBeNull();
    expect(data.choices[0]?.message.content).toContain("scripted");
  });
});
