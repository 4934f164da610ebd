import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs } from "./backoff.ts";

const almostOne = () => 1 - Number.EPSILON;
const bounds = { baseMs: 100, maxMs: 1_000 };

test("the ceiling doubles up to the bound", () => {
  const ceilings = [0, 1, 2, 3, 4, 5].map((attempt) => backoffMs(attempt, bounds, almostOne));
  expect(ceilings).toEqual([99, 199, 399, 799, 999, 999]);
});

test("jitter is full: the delay may be nothing", () => {
  expect(backoffMs(9, bounds, () => 0)).toBe(0);
});

test("no attempt, however high, gives anything but a whole number within the bound", () => {
  const property = fc.property(
    fc.nat(),
    fc.double({ min: 0, max: almostOne(), noNaN: true }),
    (attempt, random) => {
      const delay = backoffMs(attempt, bounds, () => random);
      expect(Number.isInteger(delay) && delay >= 0 && delay < bounds.maxMs).toBe(true);
    },
  );
  fc.assert(property);
});
