import { describe, expect, test } from "vitest";
import { ask, HELLO } from "../testing/ask.ts";
import { ingressForRefusals, type Refused, testRefusals } from "../testing/refusals.ts";

const CASES: readonly Refused[] = [
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

const lane = ingressForRefusals();

describe("refused and without effect:", () => {
  testRefusals(lane, CASES);
});

describe("a header", () => {
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
  ])("%s sent twice is refused", async (name) => {
    const values = name === "authorization" ? [`Bearer ${lane().apiKey}`, "Bearer x"] : ["1", "1"];
    const { status, json } = await ask(lane(), { headers: { [name]: values } });
    expect(status).toBe(400);
    expect(json).toMatchObject({ error: { code: "INVALID_REQUEST", param: name } });
  });

  test("401 names the scheme, as HTTP asks for", async () => {
    const { headers, json } = await ask(lane(), { headers: { authorization: "Bearer lk_wrong" } });
    expect(headers["www-authenticate"]).toBe("Bearer");
    expect(json).toMatchObject({ error: { type: "authentication_error" } });
  });
});
