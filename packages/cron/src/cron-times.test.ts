import { describe, expect, test } from "vitest";
import { type CronTimes, isCronProblem, parseCron } from "./cron-times.ts";

function times(expression: string, timeZone: string): CronTimes {
  const parsed = parseCron(expression, timeZone);
  if (isCronProblem(parsed)) throw new Error(parsed.problem);
  return parsed;
}

/** The times after a moment, as UTC, to the minute. */
function after(expression: string, timeZone: string, from: string, count: number): string[] {
  const cron = times(expression, timeZone);
  const found: string[] = [];
  let at: Date | undefined = new Date(from);
  while (found.length < count) {
    at = cron.next(at);
    if (at === undefined) return found;
    found.push(at.toISOString().slice(5, 16));
  }
  return found;
}

describe("where a clock skips an hour (Berlin, 29 March 2026, 02:00 → 03:00 at 01:00 UTC)", () => {
  const zone = "Europe/Berlin";
  const from = "2026-03-28T12:00Z";

  test("a time of the day in the gap runs at its end, on that day", () => {
    expect(after("30 2 * * *", zone, from, 2)).toEqual(["03-29T01:00", "03-30T00:30"]);
  });
  test("so does each of a list, once where they meet", () => {
    const found = after("15,45 2 * * *", zone, from, 3);
    expect(found).toEqual(["03-29T01:00", "03-30T00:15", "03-30T00:45"]);
  });
  test("an interval goes on without what the clock did not show", () => {
    const found = after("*/30 * * * *", zone, "2026-03-29T00:10Z", 3);
    expect(found).toEqual(["03-29T00:30", "03-29T01:00", "03-29T01:30"]);
  });
  test("the latest time before the gap's end is the day before", () => {
    const cron = times("30 2 * * *", zone);
    expect(cron.latest(new Date("2026-03-29T00:59:59Z"))).toEqual(new Date("2026-03-28T01:30Z"));
    expect(cron.latest(new Date("2026-03-29T01:00Z"))).toEqual(new Date("2026-03-29T01:00Z"));
  });
});

describe("where a clock shows an hour twice (Berlin, 25 October 2026, 03:00 → 02:00 at 01:00 UTC)", () => {
  const zone = "Europe/Berlin";
  const from = "2026-10-24T12:00Z";

  test("a time of the day runs the first time alone", () => {
    expect(after("30 2 * * *", zone, from, 2)).toEqual(["10-25T00:30", "10-26T01:30"]);
  });
  test("so does each of a range", () => {
    const found = after("0 1-2 * * *", zone, from, 4);
    expect(found).toEqual(["10-24T23:00", "10-25T00:00", "10-26T00:00", "10-26T01:00"]);
  });
  test("an interval runs in both passes", () => {
    const found = after("0 * * * *", zone, "2026-10-24T23:30Z", 4);
    expect(found).toEqual(["10-25T00:00", "10-25T01:00", "10-25T02:00", "10-25T03:00"]);
  });
});

test.each([
  ["a clock that moves by half an hour", "Australia/Lord_Howe", "0 2 * * *", "10-03T15:30"],
  ["a day that begins at one", "America/Santiago", "15 0 * * *", "09-06T04:00"],
])("%s", (_what, zone, expression, expected) => {
  const from = expected.startsWith("10") ? "2026-10-03T12:00Z" : "2026-09-05T12:00Z";
  expect(after(expression, zone, from, 1)).toEqual([expected]);
});

test("latest and next agree at a time itself, and between", () => {
  const cron = times("0 8 * * 1-5", "UTC");
  const monday = new Date("2026-11-30T08:00Z");
  expect(cron.latest(monday)).toEqual(monday);
  expect(cron.latest(new Date(monday.getTime() - 1))).toEqual(new Date("2026-11-27T08:00Z"));
  expect(cron.next(monday)).toEqual(new Date("2026-12-01T08:00Z"));
});

test("days are joined by or, as crontab(5) has it, and by and after a +", () => {
  expect(after("0 0 1 * 1", "UTC", "2026-11-28T00:00Z", 2)).toEqual(["11-30T00:00", "12-01T00:00"]);
  expect(after("0 0 1 * +2", "UTC", "2026-11-28T00:00Z", 1)).toEqual(["12-01T00:00"]);
});

test.each([
  ["", "cron", "five fields"],
  ["* * * *", "cron", "five fields"],
  ["* * * * * *", "cron", "five fields"],
  ["2026-01-01T00:00:00", "cron", "five fields"],
  ["61 * * * *", "cron", "Invalid value for minute: 61"],
  ["a b c d e", "cron", "illegal characters"],
  ["*/0 * * * *", "cron", "illegal stepping"],
  ["@reboot", "cron", "not supported"],
  ["0 0 31 2 *", "cron", "never comes"],
  [`0 0 ${"1,".repeat(200)}1 * *`, "cron", "more than 256 characters"],
])("%j is refused: %s", (expression, part, told) => {
  const parsed = parseCron(expression, "UTC");
  expect(parsed).toMatchObject({ part, problem: expect.stringContaining(told) });
});

test.each(["", "Mars/Base", "Europe/Berlin\n"])("the zone %j is refused", (zone) => {
  expect(parseCron("@daily", zone)).toMatchObject({ part: "time_zone" });
});
