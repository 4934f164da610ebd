import { describe, expect, test } from "vitest";
import { Buckets } from "./buckets.ts";

const SIX = { requestsPerMinute: 6, burst: 2 };

function taken(buckets: Buckets, nowMs: number, limit = SIX): boolean {
  if (buckets.level("k", limit, nowMs).waitMs > 0) return false;
  buckets.take("k", limit, nowMs);
  return true;
}

describe("a bucket", () => {
  test("holds its burst, is filled evenly, and tells how long to wait", () => {
    const buckets = new Buckets(10);
    expect([0, 0, 0].map((nowMs) => taken(buckets, nowMs))).toEqual([true, true, false]);
    expect(buckets.level("k", SIX, 0)).toMatchObject({ remaining: 0, waitMs: 10_000 });
    expect(buckets.level("k", SIX, 4_000)).toMatchObject({ waitMs: 6_000, resetMs: 16_000 });
    expect([9_999, 10_000, 10_001, 20_000].map((nowMs) => taken(buckets, nowMs))).toEqual([
      false,
      true,
      false,
      true,
    ]);
    expect(buckets.level("k", SIX, 40_000)).toMatchObject({ remaining: 2, resetMs: 0 });
  });

  test("lets through over a long time as many as its limit says, and its burst", () => {
    const buckets = new Buckets(10);
    let through = 0;
    for (let nowMs = 0; nowMs < 600_000; nowMs += 100) through += taken(buckets, nowMs) ? 1 : 0;
    expect(through).toBe(60 + 1);
  });

  test.each([1, 3, 7, 60, 999, 1_000_000])(
    "of %i a minute gives each of them at once, and no more: rounding takes none away",
    (requestsPerMinute) => {
      const buckets = new Buckets(10);
      const limit = { requestsPerMinute, burst: Math.min(requestsPerMinute, 1_000) };
      const through = Array.from({ length: limit.burst + 5 }, () => taken(buckets, 12.5, limit));
      expect(through.filter(Boolean)).toHaveLength(limit.burst);
    },
  );

  test("whose limit was raised is not held by what the old one had still to wait", () => {
    const buckets = new Buckets(10);
    const slow = { requestsPerMinute: 1, burst: 60 };
    for (let i = 0; i < 60; i += 1) buckets.take("k", slow, 0);
    const fast = { requestsPerMinute: 600, burst: 10 };
    expect(buckets.level("k", fast, 0)).toMatchObject({ remaining: 0, waitMs: 100 });
  });
});

describe("memory", () => {
  test("is bounded: full buckets are forgotten, and past the bound the one used longest ago", () => {
    const buckets = new Buckets(3);
    for (let i = 0; i < 100; i += 1) buckets.take(`k${i}`, SIX, 0);
    expect(buckets.size).toBe(3);
    expect(buckets.level("k99", SIX, 0).remaining).toBe(1);
    expect(buckets.level("k0", SIX, 0).remaining).toBe(2);
    for (let i = 0; i < 4; i += 1) buckets.take("new", SIX, 100_000);
    expect(buckets.size).toBe(1);
  });
});
