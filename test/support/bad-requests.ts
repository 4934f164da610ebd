import type { RawRequest } from "./send-raw.ts";

const json = ["content-type", "application/json"];
const chat = (more: object = {}) =>
  JSON.stringify({ model: "lanekeeper", messages: [{ role: "user", content: "hi" }], ...more });
const key = (value: string) => ["x-session-key", value];

/** With the header of a good credential, where one is needed. */
type BadRequest = [
  what: string,
  status: number,
  reason: string,
  request: (auth: readonly string[]) => RawRequest,
];

/** Whatever may be wrong with a request, and what it is told. */
export const BAD_REQUESTS: BadRequest[] = [
  [
    "malformed JSON",
    400,
    "INVALID_REQUEST",
    (auth) => ({ headers: [...auth, ...json], body: '{"model":' }),
  ],
  [
    "a body that is no object",
    400,
    "INVALID_REQUEST",
    (auth) => ({ headers: [...auth, ...json], body: "[]" }),
  ],
  [
    "no messages",
    400,
    "INVALID_REQUEST",
    (auth) => ({ headers: [...auth, ...json], body: chat({ messages: [] }) }),
  ],
  [
    "an unknown role",
    400,
    "INVALID_REQUEST",
    (auth) => ({
      headers: [...auth, ...json],
      body: chat({ messages: [{ role: "boss", content: "x" }] }),
    }),
  ],
  [
    "an unknown model",
    404,
    "UNKNOWN_MODEL",
    (auth) => ({ headers: [...auth, ...json], body: chat({ model: "gpt-4o" }) }),
  ],
  [
    "an agent that there is not",
    404,
    "UNKNOWN_MODEL",
    (auth) => ({
      headers: [...auth, ...json, ...key("k")],
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
    (auth) => ({ headers: [...auth, ...json, ...key("agent:main:")], body: chat() }),
  ],
  [
    "an empty key",
    400,
    "MALFORMED_KEY",
    (auth) => ({ headers: [...auth, ...json, ...key("")], body: chat() }),
  ],
  [
    "a key that is too long",
    400,
    "KEY_TOO_LONG",
    (auth) => ({ headers: [...auth, ...json, ...key("k".repeat(1025))], body: chat() }),
  ],
  [
    "a reserved key",
    403,
    "RESERVED_NAMESPACE",
    (auth) => ({ headers: [...auth, ...json, ...key("cron:nightly")], body: chat() }),
  ],
  [
    "another agent's key",
    400,
    "AGENT_MISMATCH",
    (auth) => ({
      headers: [...auth, ...json, ...key("agent:work:x")],
      body: chat({ model: "lanekeeper/main" }),
    }),
  ],
  [
    "a repeated key header",
    400,
    "INVALID_REQUEST",
    (auth) => ({ headers: [...auth, ...json, ...key("a"), ...key("a")], body: chat() }),
  ],
  [
    "a key header that is not ASCII",
    400,
    "INVALID_REQUEST",
    (auth) => ({ headers: [...auth, ...json, ...key("caf\u00e9")], body: chat() }),
  ],
  [
    "two keys that disagree",
    400,
    "INVALID_REQUEST",
    (auth) => ({
      headers: [...auth, ...json, ...key("a"), "x-openclaw-session-key", "b"],
      body: chat(),
    }),
  ],
  [
    "an unknown x-on-conflict",
    400,
    "INVALID_REQUEST",
    (auth) => ({
      headers: [...auth, ...json, ...key("a"), "x-on-conflict", "explode"],
      body: chat(),
    }),
  ],
  [
    "another content type",
    415,
    "UNSUPPORTED_MEDIA_TYPE",
    (auth) => ({ headers: [...auth, "content-type", "text/plain"], body: chat() }),
  ],
  [
    "a body over the limit",
    413,
    "PAYLOAD_TOO_LARGE",
    (auth) => ({
      headers: [...auth, ...json],
      body: chat({ messages: [{ role: "user", content: "x".repeat(9 * 1024 * 1024) }] }),
    }),
  ],
  [
    "an expected session id that is not current",
    409,
    "GENERATION_MISMATCH",
    (auth) => ({
      headers: [
        ...auth,
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
    (auth) => ({ path: "/v1/embeddings", headers: [...auth, ...json], body: "{}" }),
  ],
];
