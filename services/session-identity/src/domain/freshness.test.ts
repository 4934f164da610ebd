import { describe, expect, test } from "vitest";
import { standing } from "../testing/states.ts";
import { type FreshnessPolicy, freshnessAt } from "./freshness.ts";

const HOUR = 3_600_000;
const at = (text: string) => Date.parse(text);

function policy(change: Partial<FreshnessPolicy>): FreshnessPolicy {
  return { idleAfterMs: undefined, dailyAt: "", timeZone: "UTC", ...change };
}

describe("idle", () => {
  const idle = policy({ idleAfterMs: HOUR });
  const spoken = standing({ used: true, personMs: at("2026-03-01T10:00Z"), rotateMs: 0 });

  test("expires once the time has passed since a person's turn, and not before", () => {
    expect(freshnessAt(spoken, idle, at("2026-03-01T10:59:59.999Z"))).toBe("fresh");
    expect(freshnessAt(spoken, idle, at("2026-03-01T11:00Z"))).toBe("idle_expired");
  });

  test("is counted from the begin of the generation where nobody spoke in it", () => {
    const begun = standing({ used: true, personMs: undefined, rotateMs: at("2026-03-01T10:30Z") });
    expect(freshnessAt(begun, idle, at("2026-03-01T11:00Z"))).toBe("fresh");
    expect(freshnessAt(begun, idle, at("2026-03-01T11:30Z"))).toBe("idle_expired");
  });

  test("ends no generation that has no history", () => {
    expect(freshnessAt({ ...spoken, used: false }, idle, at("2027-01-01T00:00Z"))).toBe("fresh");
  });

  test("a clock kills no run", () => {
    const held = standing({ ...spoken, activeRun: standing.run() });
    expect(freshnessAt(held, idle, at("2027-01-01T00:00Z"))).toBe("fresh");
  });

  test("without a policy nothing expires", () => {
    expect(freshnessAt(spoken, undefined, at("2027-01-01T00:00Z"))).toBe("fresh");
    expect(freshnessAt(spoken, policy({}), at("2027-01-01T00:00Z"))).toBe("fresh");
  });
});

describe("daily", () => {
  const berlin = policy({ dailyAt: "04:00", timeZone: "Europe/Berlin" });
  const spokenAt = (text: string) => standing({ used: true, personMs: at(text), rotateMs: 0 });

  test.each([
    // Winter: 04:00 in Berlin is 03:00 UTC.
    ["2026-01-10T02:00Z", "2026-01-10T02:59Z", "fresh"],
    ["2026-01-10T02:00Z", "2026-01-10T03:00Z", "daily_expired"],
    ["2026-01-10T03:00Z", "2026-01-11T02:59Z", "fresh"],
    // Summer: 02:00 UTC.
    ["2026-07-10T01:00Z", "2026-07-10T01:59Z", "fresh"],
    ["2026-07-10T01:00Z", "2026-07-10T02:00Z", "daily_expired"],
    // Days later.
    ["2026-07-10T12:00Z", "2026-07-20T01:00Z", "daily_expired"],
  ])("spoken %s, message %s: %s", (spoken, message, expected) => {
    expect(freshnessAt(spokenAt(spoken), berlin, at(message))).toBe(expected);
  });

  test("an hour that the clocks skip comes as long after the jump", () => {
    // 2026-03-29 in Berlin: 01:00Z is 02:00, and the clocks show 03:00. 02:30 is told as 03:30.
    const skipped = policy({ dailyAt: "02:30", timeZone: "Europe/Berlin" });
    const spoken = spokenAt("2026-03-29T00:00Z");
    expect(freshnessAt(spoken, skipped, at("2026-03-29T01:29Z"))).toBe("fresh");
    expect(freshnessAt(spoken, skipped, at("2026-03-29T01:30Z"))).toBe("daily_expired");
  });

  test("an hour that the clocks show twice rolls over once, the first time", () => {
    // 2026-10-25 in Berlin: 02:30 is 00:30Z and again 01:30Z.
    const twice = policy({ dailyAt: "02:30", timeZone: "Europe/Berlin" });
    expect(freshnessAt(spokenAt("2026-10-25T00:00Z"), twice, at("2026-10-25T00:30Z"))).toBe(
      "daily_expired",
    );
    expect(freshnessAt(spokenAt("2026-10-25T00:30Z"), twice, at("2026-10-25T01:30Z"))).toBe(
      "fresh",
    );
  });

  test("a message accepted before the session's last turn rolls nothing over", () => {
    expect(freshnessAt(spokenAt("2026-01-10T03:30Z"), berlin, at("2026-01-10T03:10Z"))).toBe(
      "fresh",
    );
  });

  test("far zones have their own day", () => {
    // 04:00 on Kiritimati (UTC+14) is 14:00 UTC of the day before.
    const far = policy({ dailyAt: "04:00", timeZone: "Pacific/Kiritimati" });
    expect(freshnessAt(spokenAt("2026-01-10T13:00Z"), far, at("2026-01-10T13:59Z"))).toBe("fresh");
    expect(freshnessAt(spokenAt("2026-01-10T13:00Z"), far, at("2026-01-10T14:00Z"))).toBe(
      "daily_expired",
    );
  });
});
