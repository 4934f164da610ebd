import { Webhook } from "standardwebhooks";
import { expect, test } from "vitest";
import { retryDelayMs } from "./backoff.ts";
import { FENCES_PER_ATTEMPT, sendingSeq, settledSeq } from "./event-seq.ts";
import { outcomeOfStatus } from "./http-answer.ts";
import { retryAfterMs } from "./retry-after.ts";
import { placeDigest } from "./route-place.ts";
import { newSigningSecret, signedHeaders } from "./signing-secret.ts";
import { telegramAnswer } from "./telegram-answer.ts";

test("a signature is one that the specification's own library takes", () => {
  const secret = newSigningSecret();
  const body = '{"type":"reply"}';
  const headers = signedHeaders([secret], "id-1", new Date(), body);
  expect(headers["webhook-id"]).toBe("id-1");
  expect(new Webhook(secret).verify(body, headers)).toEqual({ type: "reply" });
  expect(() => new Webhook(newSigningSecret()).verify(body, headers)).toThrow();
  expect(() => new Webhook(secret).verify(`${body} `, headers)).toThrow();
  expect(() => new Webhook(secret).verify(body, { ...headers, "webhook-id": "id-2" })).toThrow();
});

test("while a secret is being rotated, who knows the old one verifies as well as who knows the new", () => {
  const [fresh, old] = [newSigningSecret(), newSigningSecret()];
  const body = '{"type":"reply"}';
  const headers = signedHeaders([fresh, old], "id-1", new Date(), body);
  for (const secret of [fresh, old]) {
    expect(new Webhook(secret).verify(body, headers)).toEqual({ type: "reply" });
  }
  expect(() => new Webhook(newSigningSecret()).verify(body, headers)).toThrow();
});

test("every secret is new, and long enough for the specification", () => {
  const secret = newSigningSecret();
  expect(secret).not.toBe(newSigningSecret());
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
});

test("the pause is drawn from 0 up to an exponential bound", () => {
  const backoff = { baseMs: 1_000, maxMs: 10_000 };
  const last = [1, 2, 3, 4, 5, 6, 1_000].map((attempt) =>
    retryDelayMs(attempt, backoff, 0.999_999),
  );
  expect(last).toEqual([999, 1_999, 3_999, 7_999, 9_999, 9_999, 9_999]);
  expect(retryDelayMs(9, backoff, 0)).toBe(0);
});

test.each([
  ["120", 120_000],
  ["0", 0],
  [" 7 ", 7_000],
  ["999999", 3_600_000],
  ["9".repeat(400), 3_600_000],
  ["30.5", 30_500],
  ["0.0001", 1],
  ["-5", undefined],
  ["12-31", undefined],
  ["Thu, 01 Jan 2026 00:01:00 GMT", 60_000],
  ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
  ["soon", undefined],
  ["", undefined],
  [undefined, undefined],
])("Retry-After %j is %j ms", (header, ms) => {
  expect(retryAfterMs(header, new Date("2026-01-01T00:00:00Z"), 3_600_000)).toBe(ms);
});

test.each([
  [7, 7_000],
  [1.5, 1_500],
  [0, 0],
  [-5, 0],
  [1e300, 3_600_000],
  ["7", 9_000],
  [undefined, 9_000],
])("Telegram's retry_after %j is %j ms", (seconds, retryAfterMs) => {
  const said = { ok: false, error_code: 429, parameters: { retry_after: seconds } };
  const answer = telegramAnswer(429, said, 9_000, 3_600_000);
  expect(answer).toMatchObject({ outcome: { kind: "failed", retryAfterMs } });
});

test.each([
  ["a proxy's 403", "failed", 403, undefined],
  ["a proxy's 407", "failed", 407, "<html>"],
  ["what is too large for a proxy", "refused", 413, undefined],
  ["a gateway's 502", "unknown", 502, undefined],
  ["a page in place of an answer", "unknown", 200, undefined],
  ["Telegram's own 403", "refused", 403, { ok: false, error_code: 403 }],
  ["Telegram's own 401", "failed", 401, { ok: false, error_code: 401 }],
  ["Telegram's own 500", "unknown", 500, { ok: false, error_code: 500 }],
])("%s leaves a reply %s", (_what, kind, status, said) => {
  expect(telegramAnswer(status, said, undefined, 1)).toMatchObject({ outcome: { kind } });
});

test.each([
  [[200, 201, 202, 204, 299], "sent"],
  [[300, 301, 302, 307, 308, 400, 401, 403, 404, 409, 410, 413, 422, 451], "refused"],
  [[408, 425, 429, 500, 502, 503, 504, 599], "failed"],
])("%j is %s", (statuses, kind) => {
  for (const status of statuses) expect(outcomeOfStatus(status, "", undefined).kind).toBe(kind);
});

test("no two events of a reply share a number, and they rise with the attempts", () => {
  const seqs = [1, 2, 3].flatMap((attempt) => [
    ...Array.from({ length: FENCES_PER_ATTEMPT }, (_, index) => sendingSeq(attempt, index + 1)),
    settledSeq(attempt),
  ]);
  expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => (a < b ? -1 : 1)));
  expect(seqs[0]).toBe(1n);
});

test("places differ by the field that a text stands in", () => {
  const place = { kind: 1, accountId: "", address: "a", threadId: "" };
  const other = { ...place, accountId: "a", address: "" };
  expect(placeDigest(place).equals(placeDigest(other))).toBe(false);
  expect(placeDigest(place).equals(placeDigest({ ...place }))).toBe(true);
});
