import { expect, test } from "vitest";
import { shortWaits } from "./short-waits.ts";

const inAnHour = () => new Date(Date.now() + 3_600_000).toUTCString();
const inASecond = () => new Date(Date.now() + 1_000).toUTCString();

async function answered(status: number, headers: Record<string, string>) {
  const response = new Response("no", { status, headers });
  const answer = await shortWaits(10_000, async () => response)("http://x/");
  expect(await answer.text()).toBe("no");
  expect(answer.status).toBe(status);
  return answer.headers.get("x-should-retry");
}

test.each([
  ["seconds", { "retry-after": "11" }],
  ["more seconds than a timer takes", { "retry-after": "9999999999" }],
  ["a date", { "retry-after": inAnHour() }],
  ["milliseconds", { "retry-after-ms": "10001" }],
  ["milliseconds, beside fewer seconds", { "retry-after-ms": "10001", "retry-after": "1" }],
  ["seconds, though it says otherwise", { "retry-after": "11", "x-should-retry": "true" }],
])("who asks for too long a wait is not tried again: %s", async (_, headers) => {
  expect(await answered(429, headers)).toBe("false");
  expect(await answered(503, headers)).toBe("false");
});

test.each([
  ["nothing", {}],
  ["seconds", { "retry-after": "10" }],
  ["a date", { "retry-after": inASecond() }],
  ["a date that has been", { "retry-after": "Thu, 01 Jan 1970 00:00:00 GMT" }],
  ["milliseconds", { "retry-after-ms": "10000" }],
  ["no time", { "retry-after": "soon" }],
])("whoever asks for less is left as it is: %s", async (_, headers) => {
  expect(await answered(429, headers)).toBeNull();
});

test("an answer is left as it is, whatever it asks for", async () => {
  expect(await answered(200, { "retry-after": "3600" })).toBeNull();
});
