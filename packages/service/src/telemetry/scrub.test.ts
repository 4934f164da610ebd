import { describe, expect, test } from "vitest";
import { scrub } from "./scrub.ts";

const json = (value: unknown): string => JSON.stringify(value);

describe("a credential is taken out", () => {
  test.each<[string, string]>([
    ["header", json({ authorization: "Bearer hunter2hunter2" })],
    ["upper case", json({ Authorization: "Basic aHVudGVyMg==hunter2" })],
    ["deep", json({ a: [{ b: { headers: { "proxy-authorization": "hunter2" } } }] })],
    ["array value", json({ headers: { cookie: ["sid=hunter2", "x=hunter2"] } })],
    ["raw headers", json({ rawHeaders: ["Host", "x", "Authorization", "Basic hunter2"] })],
    ["with quotes in it", json({ password: 'a "hunter2" b' })],
    ["api key", json({ "x-api-key": "hunter2" })],
    ["camel case", json({ apiKey: "hunter2", clientSecret: "hunter2", botToken: "hunter2" })],
    ["message", json({ msg: "sent authorization: Basic hunter2 to it" })],
    ["bearer in a message", json({ msg: "Bearer hunter2hunter2 refused" })],
    ["JSON in a message", json({ msg: json({ authorization: "Basic hunter2" }) })],
    [
      "API key of ours, anywhere",
      json({
        msg: "key lk1_0123456789abcdef_9AUMhunter2LKhunter2 and lk1_0123456789abcdef_hunter2",
      }),
    ],
    [
      "error text",
      json({ err: { stack: "Error: connect postgres://app:hunter2@db:5432/x\n at y" } }),
    ],
  ])("%s", (_where, line) => {
    expect(line).toContain("hunter2");
    const scrubbed = scrub(line);
    expect(scrubbed).not.toContain("hunter2");
    expect(() => JSON.parse(scrubbed)).not.toThrow();
  });
});

test.each([
  json({ msg: "ready", session_key: "agent:main:irc:net:direct:a[secret]b", tokens: 12 }),
  json({ url: "http://127.0.0.1:8080/v1", msg: "user@example.com wrote" }),
  json({ password: 5, note: "the bearer of this" }),
])("%s stays as it is", (line) => {
  expect(scrub(line)).toBe(line);
});

test("what a terminal would obey is written out, and the line says the same", () => {
  const fields = {
    session_key: "a\u009b31mb",
    msg: "\u0080\u0085\\\u009f\u007f\u001b \u00a0 é 世",
  };
  const line = json(fields);
  expect(line).toMatch(/[\u0080-\u009f]/);
  const scrubbed = scrub(line);
  expect(scrubbed).not.toMatch(/[\u0080-\u009f]/);
  expect(scrubbed).toContain(String.raw`a\u009b31mb`);
  expect(JSON.parse(scrubbed)).toEqual(fields);
});

test("an API key's id may be told", () => {
  const id = "lk1_0123456789abcdef_";
  expect(scrub(json({ msg: `${id}${"a".repeat(49)} is not known` }))).toContain(`${id}[secret]`);
});

test.each(["a.", "a-", "a+b ", "a://", "a://b:", "authorization\\", '"password":['])(
  "a long line of %j takes no longer than it is long",
  (text) => {
    const line = json({ msg: `x://@ ${text.repeat(200_000 / text.length)}` });
    const startedMs = performance.now();
    scrub(line);
    // By the square of its length it would take half a minute.
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  },
);
