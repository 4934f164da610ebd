import type { LanekeeperError } from "@lanekeeper/rpc";
import { ManualClock } from "@lanekeeper/service/testing";
import { expect, test } from "vitest";
import { RateLimits } from "./rate-limits.ts";

const SIXTY = { requestsPerMinute: 60, burst: 2 };
const ACCOUNT = { of: "account", tenant: "t", principal: "slack/T1" } as const;
const none = () => undefined;

function limits() {
  const clock = new ManualClock();
  return { clock, rates: new RateLimits({ clock, limits: { maxRateBuckets: 10 } }) };
}

function refusal(work: () => unknown): LanekeeperError {
  try {
    work();
  } catch (error) {
    return error as LanekeeperError;
  }
  throw new Error("there was room");
}

test("a burst waits for its room, each behind the one before, and no more than can within the time", () => {
  const { rates } = limits();
  const post = () =>
    rates.take({ ...ACCOUNT, rateLimit: SIXTY, tenantRateLimit: undefined }, none, 2_500);
  expect([post(), post(), post(), post()].map(Math.round)).toEqual([0, 0, 1_000, 2_000]);
  const refused = refusal(post);
  expect(refused).toMatchObject({ reason: "RATE_LIMITED", metadata: { limit_of: "account" } });
  expect(Math.round(refused.retryAfterMs ?? 0)).toBe(3_000);
  // Who is refused has used nothing up.
  expect(Math.round(refusal(post).retryAfterMs ?? 0)).toBe(3_000);
});

test("what waits has its room: who comes later without waiting is refused until then", async () => {
  const { clock, rates } = limits();
  const limited = { ...ACCOUNT, rateLimit: undefined, tenantRateLimit: SIXTY };
  for (let i = 0; i < 4; i += 1) rates.take(limited, none, 2_500);
  const asked = () => rates.take({ ...limited, of: "key" }, none);
  await clock.advance(1_900);
  expect(refusal(asked)).toMatchObject({ metadata: { limit_of: "tenant" } });
  await clock.advance(1_100);
  expect(asked()).toBe(0);
});

test("accounts of one name of two tenants have a limit each", () => {
  const { rates } = limits();
  const one = {
    ...ACCOUNT,
    rateLimit: { requestsPerMinute: 1, burst: 1 },
    tenantRateLimit: undefined,
  };
  expect(rates.take(one, none)).toBe(0);
  expect(rates.take({ ...one, tenant: "other" }, none)).toBe(0);
  expect(refusal(() => rates.take(one, none)).reason).toBe("RATE_LIMITED");
});
