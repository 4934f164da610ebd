import { expect, test } from "vitest";
import { isVisible, later, parseSnapshot, positionOf, type Snapshot } from "./snapshot.ts";

function snapshot(text: string): Snapshot {
  const parsed = parseSnapshot(text);
  if (parsed === undefined) throw new Error(`${text} is no snapshot`);
  return parsed;
}

test("what was over is visible, what was under way or not begun is not", () => {
  const seen = snapshot("10:20:12,15");
  const visible = [9n, 10n, 11n, 12n, 14n, 15n, 19n, 20n, 21n].map((xid) =>
    isVisible(seen, { xid, changeId: 1n }),
  );
  expect(visible).toEqual([true, true, true, false, true, false, true, false, false]);
});

test("what is above its newest change was written later, by whatever transaction", () => {
  const seen = parseSnapshot("10:20:", 7n) ?? snapshot("");
  const visible = [6n, 7n, 8n].map((changeId) => isVisible(seen, { xid: 11n, changeId }));
  expect(visible).toEqual([true, true, false]);
  const afterCrash = parseSnapshot("12:12:", 9n) ?? snapshot("");
  expect([later(seen, afterCrash), later(afterCrash, seen)]).toEqual([afterCrash, afterCrash]);
  // All changes were past their retention.
  const swept = parseSnapshot("30:30:", 0n) ?? snapshot("");
  expect([later(seen, swept), later(swept, seen)]).toEqual([swept, swept]);
});

test("the later of two sees all that the other sees", () => {
  const order = ["10:20:12,15", "10:20:12", "10:25:12,21", "25:25:"].map(snapshot);
  for (const [index, a] of order.entries()) {
    for (const b of order.slice(index)) {
      expect(later(a, b)).toBe(b === a ? a : b);
      expect(later(b, a)).toBe(b);
      if (a !== b) expect(positionOf(b)).toBeGreaterThan(positionOf(a));
    }
  }
});

test.each([
  "",
  "1:2",
  "2:1:",
  "1:5:7",
  "1:5:3,2",
  "0:1:",
  "a:b:",
  "1:5:0",
  "1:99999999999999999999:",
])("%j is no snapshot", (text) => expect(parseSnapshot(text)).toBeUndefined());
