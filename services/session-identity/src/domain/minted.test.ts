import type { CanonicalKey } from "@lanekeeper/session-key";
import fc from "fast-check";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { runIdFor } from "../testing/calls.ts";
import { blankKey } from "../testing/states.ts";
import { goesSoon, keptForUse } from "./going.ts";
import { keptUntil, notToBeMade } from "./minted.ts";
import { isRefusal } from "./refusal.ts";

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 10, 30);
/** Ids are minted by clocks that are off by days, and may wait for long. */
const aMoment = fc.integer({ min: NOW - 60 * DAY_MS, max: NOW + 10 * DAY_MS });
const nameOf = (mintedMs: number) => `agent:main:subagent:${runIdFor(mintedMs)}` as CanonicalKey;

test("a name that was made is made no more once its key may have gone, whatever the clocks said", () => {
  fc.assert(
    fc.property(aMoment, fc.nat(30 * DAY_MS), (mintedMs, afterMs) => {
      const key = nameOf(mintedMs);
      if (isRefusal(notToBeMade(key, true, NOW))) return;
      const until = keptUntil(mintedMs, NOW) ?? Number.POSITIVE_INFINITY;
      expect(until).toBeGreaterThanOrEqual(NOW + LIMITS.mintedRetentionMs);
      expect(notToBeMade(key, true, until + afterMs)).toMatchObject({ reason: "NOT_FOUND" });
    }),
  );
});

test("keeping a key longer never shortens it, and gives whoever is answered a day", () => {
  fc.assert(
    fc.property(aMoment, (keptUntilMs) => {
      const kept = keptForUse({ ...blankKey(), keptUntilMs }, NOW);
      expect(kept.keptUntilMs).toBeGreaterThanOrEqual(keptUntilMs);
      expect(kept.keptUntilMs).toBeGreaterThanOrEqual(NOW + LIMITS.mintedGraceMs);
      expect(goesSoon(kept, NOW)).toBe(false);
    }),
  );
});

test("a key that was not minted stays for ever, and whoever comes first makes it", () => {
  const chat = "agent:main:subagent:shop" as CanonicalKey;
  expect(notToBeMade(chat, false, NOW)).toBeUndefined();
  expect(notToBeMade(nameOf(NOW), false, NOW)).toMatchObject({ reason: "NOT_FOUND" });
  expect(keptUntil(undefined, NOW)).toBeUndefined();
  expect(goesSoon(blankKey(), NOW)).toBe(false);
});
