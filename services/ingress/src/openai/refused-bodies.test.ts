import { describe, expect, test } from "vitest";
import { ask, HELLO } from "../testing/ask.ts";
import {
  ingressForRefusals,
  ONE_AGENT_KEY,
  OPERATORS_KEY,
  type Refused,
  testRefusals,
  USER,
} from "../testing/refusals.ts";

const user = (content: unknown): object => ({
  model: "lanekeeper",
  messages: [{ role: "user", content }],
});
const nested = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;

const SAMPLING = [
  "temperature",
  "top_p",
  "max_tokens",
  "max_completion_tokens",
  "seed",
  "presence_penalty",
  "frequency_penalty",
];

const HALF = "half a rocket \ud83d";
const ILL_FORMED: readonly (readonly [path: string, body: object])[] = [
  ["messages[0].content", user(HALF)],
  [
    "messages[0].content[1].text",
    user([
      { type: "text", text: "a whole \u{1f680}" },
      { type: "text", text: HALF },
    ]),
  ],
  ["tools[0].function.description", { ...HELLO, tools: [{ function: { description: HALF } }] }],
  ["response_format.(a name)", { ...HELLO, response_format: { [HALF]: 1 } }],
];

const FUNCTION = { type: "function", function: { name: "f", parameters: {} } };
const NOT_ANSWERED: readonly (readonly [path: string, body: object])[] = [
  ["functions", { functions: [{ name: "f", parameters: {} }] }],
  ["function_call", { function_call: "auto" }],
  ["tools", { tools: { ...FUNCTION } }],
  ["tools[1]", { tools: [FUNCTION, "f"] }],
  ["tools[1].type", { tools: [FUNCTION, { type: "custom", custom: { name: "f" } }] }],
  ["tools[0].function", { tools: [{ type: "function", name: "f" }] }],
  ["tools[0].function.name", { tools: [{ type: "function", function: { name: "" } }] }],
  ["logprobs", { logprobs: true, top_logprobs: 2 }],
  ["audio", { modalities: ["text"], audio: { voice: "alloy", format: "wav" } }],
  ["modalities", { modalities: ["text", "audio"] }],
];

const CASES: readonly Refused[] = [
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
    { headers: { authorization: `Bearer ${OPERATORS_KEY}` } },
    403,
    "PERMISSION_DENIED",
    null,
  ],
  [
    "an agent that the key may not use",
    {
      headers: { authorization: `Bearer ${ONE_AGENT_KEY}` },
      body: { ...HELLO, model: "lanekeeper/main" },
    },
    403,
    "PERMISSION_DENIED",
    null,
  ],
  [
    "the default agent where the key may not use it",
    { headers: { authorization: `Bearer ${ONE_AGENT_KEY}` } },
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
  ...SAMPLING.map(
    (name): Refused => [
      `${name} that is no number and was taken all the same`,
      { body: { ...HELLO, [name]: "hot" } },
      400,
      "INVALID_REQUEST",
      name,
    ],
  ),
  ...ILL_FORMED.map(
    ([path, body]): Refused => [
      `a lone surrogate in ${path}, which became U+FFFD without a word`,
      { body },
      400,
      "INVALID_REQUEST",
      path,
    ],
  ),
  ["several choices", { body: { ...HELLO, n: 2 } }, 400, "INVALID_REQUEST", "n"],
  ...NOT_ANSWERED.map(
    ([path, body]): Refused => [
      `${path} that went on to the model, and whose answer was dropped`,
      { body: { ...HELLO, ...body } },
      400,
      "INVALID_REQUEST",
      path,
    ],
  ),
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
];

const lane = ingressForRefusals();

describe("refused and without effect:", () => {
  testRefusals(lane, CASES);
});

test.each([{ ...HELLO, model: "lanekeeper/main" }, HELLO])(
  "who may not use an agent is told by what the key is bound",
  async (body) => {
    const headers = { authorization: `Bearer ${ONE_AGENT_KEY}` };
    const { json } = await ask(lane(), { headers, body });
    expect(json).toMatchObject({ error: { lanekeeper: { metadata: { bound_by: "agent_ids" } } } });
  },
);
