import { readSettings } from "@lanekeeper/service";
import { expect, test } from "vitest";
import { LIMITS } from "./limits.ts";

const leaseOf = (ms: number) => readSettings({ LANEKEEPER_LEASE_MS: String(ms) }).leaseMs;

test("a lease that the runner was told, and this service refused, failed every turn: both have the same bounds", () => {
  expect(leaseOf(LIMITS.minLeaseMs)).toBe(LIMITS.minLeaseMs);
  expect(leaseOf(LIMITS.maxLeaseMs)).toBe(LIMITS.maxLeaseMs);
  for (const ms of [LIMITS.minLeaseMs - 1, LIMITS.maxLeaseMs + 1]) {
    expect(() => leaseOf(ms)).toThrow("LANEKEEPER_LEASE_MS");
  }
});
