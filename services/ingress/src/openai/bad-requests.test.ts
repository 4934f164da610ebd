import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ask, ask, HELLO } from "../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;

beforeAll(async () => {
  lane = await startTestIngress({ limits: { maxBodyBytes: 20_000, maxMessages: 5 } });
  lane.credentials.add("lk_key_of_one_agent_0123456789", { agents: ["helper"] });
  lane.credentials.add("lk_key_of_operators_0123456789", { scopes: ["operator"] });
});

afterAll(async () => {
  await lane[Symbol.asyncDispose]();
});

const user = (content: unknown): object => ({
  model: "lanekeeper",
  messages: [{ role: "user", content }],
});
const message = (one: object): object => ({ model: "lanekeeper", messages: [one, USER] });
const USER = { role: "user", content: "Hi" };
const nested = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;

type Case = readonly [name: string, ask: Ask, status: number, code: string, param: string | null];

const CASES: readonly Case[] = [
  ["no credential", { headers: { authorization: "" } }, 401, "UNAUTHENTICATED", null],
  [
    "a scheme other than Bearer",
    { headers: { authorization: "Basic eDp5" } },
    401,
    "UNAUTHENTICATED",
    null,
  ],
  [
    "an unknown key",
    { headers: { authorization: "Bearer lk_wrong" } },
    401,
    "UNAUTHENTICATED",
    null,
  ],
  [
    "an endless key",
    { headers: { authorization: `Bearer ${"x".repeat(600)}` } },
    401,
    "UNAUTHENTICATED",
    null,
  ],
  [
    "a key without the scope",
    { headers: { authorization: "Bearer lk_key_of_operators_0123456789" } },
    403,
    "PERMISSION_DENIED",
    null,
  ],
  [
    "an agent that the key may not use",
    {
      headers: { authorization: "Bearer lk_key_of_one_agent_0123456789" },
      body: { ...HELLO, model: "lanekeeper/main" },
    },
    403,
    "PERMISSION_DENIED",
    null,
  ],
  [
    "the default agent where the key may not use it",
    { headers: { authorization: "Bearer lk_key_of_one_agent_0123456789" } },
    403,
    "PERMISSION_DENIED",
    null,
  ],

  [
    "text instead of JSON",
    { headers: { "content-type": "text/plain" } },
    415,
    "UNSUPPORTED_MEDIA_TYPE",
    null,
  ],
  [
    "a form",
    { headers: { "content-type": "application/x-www-form-urlencoded" } },
    415,
    "UNSUPPORTED_MEDIA_TYPE",
    null,
  ],
  [
    "another charset",
    { headers: { "content-type": "application/json; charset=utf-16" } },
    415,
    "UNSUPPORTED_MEDIA_TYPE",
    null,
  ],
  [
    "a compressed body",
    { headers: { "content-encoding": "gzip" } },
    415,
    "UNSUPPORTED_MEDIA_TYPE",
    null,
  ],
  ["a body over the bound", { body: user("x".repeat(20_000)) }, 413, "PAYLOAD_TOO_LARGE", null],
  [
    "a chunked body over the bound",
    { headers: { "transfer-encoding": "chunked" }, body: user("x".repeat(20_000)) },
    413,
    "PAYLOAD_TOO_LARGE",
    null,
  ],
  ["broken JSON", { body: '{"model": ' }, 400, "INVALID_REQUEST", "body"],
  ["no body", { body: "" }, 400, "INVALID_REQUEST", "body"],
  ["a list as the body", { body: "[]" }, 400, "INVALID_REQUEST", "body"],
  [
    "bytes that are no UTF-8",
    { body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]) },
    400,
    "INVALID_REQUEST",
    "body",
  ],
  [
    "a body that is nested too deeply",
    { body: `{"x":${nested(100)}}` },
    400,
    "INVALID_REQUEST",
    "body",
  ],
  [
    "a number that JSON cannot carry on",
    { body: '{"model":"lanekeeper","top_p":1e999}' },
    400,
    "INVALID_REQUEST",
    "body",
  ],

  ["no model", { body: { messages: [USER] } }, 400, "INVALID_REQUEST", "model"],
  ["a model that is no text", { body: { ...HELLO, model: 7 } }, 400, "INVALID_REQUEST", "model"],
  ["a provider's model", { body: { ...HELLO, model: "gpt-4o" } }, 404, "UNKNOWN_MODEL", "model"],
  [
    "an agent that does not exist",
    { body: { ...HELLO, model: "lanekeeper/nobody" } },
    404,
    "UNKNOWN_MODEL",
    "model",
  ],
  [
    "an agent id in capitals",
    { body: { ...HELLO, model: "lanekeeper/Main" } },
    404,
    "UNKNOWN_MODEL",
    "model",
  ],
  [
    "a header that names another agent",
    { headers: { "x-agent-id": "helper" }, body: { ...HELLO, model: "agent:main" } },
    400,
    "AGENT_MISMATCH",
    null,
  ],
  [
    "two headers that name two agents",
    { headers: { "x-agent-id": "helper", "x-openclaw-agent": "main" } },
    400,
    "AGENT_MISMATCH",
    null,
  ],
  [
    "a header that is no agent id",
    { headers: { "x-agent-id": "Ma in" } },
    400,
    "INVALID_REQUEST",
    "x-agent-id",
  ],

  ["several choices", { body: { ...HELLO, n: 2 } }, 400, "INVALID_REQUEST", "n"],
  [
    "a stream flag that is no flag",
    { body: { ...HELLO, stream: "yes" } },
    400,
    "INVALID_REQUEST",
    "stream",
  ],
  [
    "stream options that are none",
    { body: { ...HELLO, stream: true, stream_options: true } },
    400,
    "INVALID_REQUEST",
    "stream_options",
  ],

  ["no messages", { body: { model: "lanekeeper" } }, 400, "INVALID_REQUEST", "messages"],
  [
    "an empty list of messages",
    { body: { model: "lanekeeper", messages: [] } },
    400,
    "INVALID_REQUEST",
    "messages",
  ],
  [
    "too many messages",
    { body: { model: "lanekeeper", messages: Array(6).fill(USER) } },
    400,
    "INVALID_REQUEST",
    "messages",
  ],
  [
    "a message that is no object",
    { body: { model: "lanekeeper", messages: ["Hi"] } },
    400,
    "INVALID_REQUEST",
    "messages[0]",
  ],
  [
    "a role that does not exist",
    { body: message({ role: "bot", content: "Hi" }) },
    400,
    "INVALID_REQUEST",
    "messages[0].role",
  ],
  [
    "the name of a prototype's property as a role",
    { body: message({ role: "constructor", content: "Hi" }) },
    400,
    "INVALID_REQUEST",
    "messages[0].role",
  ],
  [
    "a last message of the assistant",
    { body: { model: "lanekeeper", messages: [USER, { role: "assistant", content: "Ho" }] } },
    400,
    "INVALID_REQUEST",
    "messages[1].role",
  ],
  [
    "no content",
    { body: message({ role: "user" }) },
    400,
    "INVALID_REQUEST",
    "messages[0].content",
  ],
  ["no parts", { body: user([]) }, 400, "INVALID_REQUEST", "messages[0].content"],
  [
    "a part that does not exist",
    { body: user([{ type: "video", video: {} }]) },
    400,
    "INVALID_REQUEST",
    "messages[0].content[0].type",
  ],
  [
    "a picture in a system message",
    {
      body: message({
        role: "system",
        content: [{ type: "image_url", image_url: { url: "https://x.example/a.png" } }],
      }),
    },
    400,
    "INVALID_REQUEST",
    "messages[0].content[0].type",
  ],
  [
    "a picture at a file URL",
    { body: user([{ type: "image_url", image_url: { url: "file:///etc/passwd" } }]) },
    400,
    "INVALID_REQUEST",
    "messages[0].content[0].image_url.url",
  ],
  [
    "a picture whose data are no base64",
    { body: user([{ type: "image_url", image_url: { url: "data:image/png;base64,@@" } }]) },
    400,
    "INVALID_REQUEST",
    "messages[0].content[0].image_url.url",
  ],
  [
    "audio of an unknown format",
    { body: user([{ type: "input_audio", input_audio: { format: "ogg", data: "AAAA" } }]) },
    400,
    "INVALID_REQUEST",
    "messages[0].content[0].input_audio.format",
  ],
  [
    "a file that was uploaded elsewhere",
    { body: user([{ type: "file", file: { file_id: "file-1" } }]) },
    400,
    "INVALID_REQUEST",
    "messages[0].content[0].file.file_id",
  ],
  [
    "a file without data",
    { body: user([{ type: "file", file: { filename: "a.pdf" } }]) },
    400,
    "INVALID_REQUEST",
    "messages[0].content[0].file.file_data",
  ],
  [
    "an assistant that said nothing",
    { body: message({ role: "assistant", content: null }) },
    400,
    "INVALID_REQUEST",
    "messages[0].content",
  ],
  [
    "a tool call without an id",
    {
      body: message({
        role: "assistant",
        tool_calls: [{ type: "function", function: { name: "f", arguments: "{}" } }],
      }),
    },
    400,
    "INVALID_REQUEST",
    "messages[0].tool_calls[0].id",
  ],
  [
    "a custom tool call",
    {
      body: message({ role: "assistant", tool_calls: [{ type: "custom", id: "c1", custom: {} }] }),
    },
    400,
    "INVALID_REQUEST",
    "messages[0].tool_calls[0].type",
  ],
  [
    "an old function call",
    { body: message({ role: "assistant", function_call: { name: "f", arguments: "" } }) },
    400,
    "INVALID_REQUEST",
    "messages[0].function_call",
  ],
  [
    "a tool's result without its call",
    { body: message({ role: "tool", content: "42" }) },
    400,
    "INVALID_REQUEST",
    "messages[0].tool_call_id",
  ],
  [
    "a sender's name over the bound",
    { body: message({ role: "user", content: "Hi", name: "ä".repeat(200) }) },
    400,
    "INVALID_REQUEST",
    "messages[0].name",
  ],

  [
    "an empty session key",
    { headers: { "x-session-key": "" } },
    400,
    "MALFORMED_KEY",
    "x-session-key",
  ],
  [
    "a session key that is not ASCII",
    { headers: { "x-session-key": "k\u00fcche" } },
    400,
    "INVALID_REQUEST",
    "x-session-key",
  ],
  [
    "a session key with a tab",
    { headers: { "x-session-key": "a\tb" } },
    400,
    "INVALID_REQUEST",
    "x-session-key",
  ],
  [
    "an encoded key with a lone percent sign",
    { headers: { "x-session-key-encoded": "100%" } },
    400,
    "MALFORMED_KEY",
    "x-session-key-encoded",
  ],
  [
    "an encoded key that is no UTF-8",
    { headers: { "x-session-key-encoded": "%FF" } },
    400,
    "MALFORMED_KEY",
    "x-session-key-encoded",
  ],
  [
    "a key in the metadata that is no text",
    { body: { ...HELLO, metadata: { session_key: 7 } } },
    400,
    "INVALID_REQUEST",
    "metadata.session_key",
  ],
  [
    "a lone surrogate in the key",
    {
      body: '{"model":"lanekeeper","messages":[{"role":"user","content":"x"}],"metadata":{"session_key":"a\\ud800"}}',
    },
    400,
    "MALFORMED_KEY",
    "metadata.session_key",
  ],
  [
    "two headers that name two sessions",
    { headers: { "x-session-key": "a", "x-openclaw-session-key": "b" } },
    400,
    "INVALID_REQUEST",
    "x-openclaw-session-key",
  ],
  [
    "header and metadata that name two sessions",
    { headers: { "x-session-key": "a" }, body: { ...HELLO, metadata: { session_key: "b" } } },
    400,
    "INVALID_REQUEST",
    "metadata.session_key",
  ],
  [
    "a key that session-identity refuses",
    { headers: { "x-session-key": "agent:main:" } },
    400,
    "MALFORMED_KEY",
    null,
  ],

  [
    "an unknown on-conflict",
    { headers: { "x-on-conflict": "REJECT" } },
    400,
    "INVALID_REQUEST",
    "x-on-conflict",
  ],
  [
    "an empty idempotency key",
    { headers: { "idempotency-key": "" } },
    400,
    "INVALID_REQUEST",
    "idempotency-key",
  ],
  [
    "a long idempotency key",
    { headers: { "idempotency-key": "x".repeat(256) } },
    400,
    "INVALID_REQUEST",
    "idempotency-key",
  ],
  [
    "a space in the idempotency key",
    { headers: { "idempotency-key": "a b" } },
    400,
    "INVALID_REQUEST",
    "idempotency-key",
  ],
  [
    "an expected generation of 0",
    { headers: { "x-session-key": "a", "x-expect-generation": "0" } },
    400,
    "INVALID_REQUEST",
    "x-expect-generation",
  ],
  [
    "an expected generation above int64",
    { headers: { "x-session-key": "a", "x-expect-generation": "9223372036854775808" } },
    400,
    "INVALID_REQUEST",
    "x-expect-generation",
  ],
  [
    "an expected session id that is none",
    { headers: { "x-session-key": "a", "x-expect-session-id": "42" } },
    400,
    "INVALID_REQUEST",
    "x-expect-session-id",
  ],
  [
    "an expectation without a session",
    { headers: { "x-expect-generation": "3" } },
    400,
    "INVALID_REQUEST",
    "x-expect-generation",
  ],
  [
    "another generation than expected",
    { headers: { "x-session-key": "a", "x-expect-generation": "3" } },
    409,
    "GENERATION_MISMATCH",
    null,
  ],
];

describe("a bad request is refused with its reason and changes nothing:", () => {
  test.each(CASES)("%s", async (_name, what, status, code, param) => {
    const { json, headers, status: got } = await ask(lane, what);
    expect(json).toMatchObject({ error: { code, param, message: expect.stringMatching(/.{10}/) } });
    expect(got).toBe(status);
    expect(headers).toMatchObject({
      "x-should-retry": "false",
      "x-lane-disposition": "rejected",
      "x-request-id": expect.stringMatching(/^[0-9a-f-]{36}$/),
      "content-type": "application/json; charset=utf-8",
    });
    expect(lane.runner.turns).toHaveLength(0);
  });

  test.each([
    "authorization",
    "idempotency-key",
    "x-agent-id",
    "x-expect-generation",
    "x-expect-session-id",
    "x-on-conflict",
    "x-openclaw-agent",
    "x-openclaw-agent-id",
    "x-openclaw-session-key",
    "x-request-id",
    "x-session-key",
    "x-session-key-encoded",
    "x-stainless-retry-count",
  ])("the header %s sent twice", async (name) => {
    const values = name === "authorization" ? [`Bearer ${lane.apiKey}`, "Bearer x"] : ["1", "1"];
    const { status, json } = await ask(lane, { headers: { [name]: values } });
    expect(status).toBe(400);
    expect(json).toMatchObject({ error: { code: "INVALID_REQUEST", param: name } });
  });

  test("401 names the scheme, as HTTP asks for", async () => {
    const { headers, json } = await ask(lane, { headers: { authorization: "Bearer lk_wrong" } });
    expect(headers["www-authenticate"]).toBe("Bearer");
    expect(json).toMatchObject({ error: { type: "authentication_error" } });
  });
});
