import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { follow, type FollowParts } from "./follow.ts";

test("who waits is told of its place once a second at most, however often that changes", async () => {
  let ms = 0;
  let position = 1_000;
  const left = new AbortController();
  const look = () => {
    ms += 50;
    if (ms > 10_000) left.abort(new Error("left"));
    const { sessionKey } = turn;
    const update = { sessionKey, state: "QUEUED", events: [], laneIsFree: false, isWhole: true };
    return { update: Promise.resolve(update), cancel: () => undefined };
  };
  const parts = {
    deps: { clock: { monotonicMs: () => ms } },
    hub: { get: () => undefined, onOpen: () => () => undefined },
    tail: { look },
    positions: { of: async () => ({ position: position--, holderRunId: "r", waitedMs: ms }) },
    onFreeLane: () => undefined,
    busyHintMs: async () => undefined,
  } as unknown as FollowParts;
  const told: number[] = [];
  const turn = { tenant: "t", turnId: "u", sessionKey: "agent:main:x" };
  const reading = async (): Promise<void> => {
    for await (const { event } of follow(parts, turn, 0n, left.signal)) {
      if (event.case === "queued") told.push(ms);
    }
  };
  await expect(reading()).rejects.toThrow("left");
  expect(told.length).toBeGreaterThanOrEqual(10);
  const pauses = told.slice(1).map((at, index) => at - (told[index] ?? 0));
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(LIMITS.positionMs);
});
