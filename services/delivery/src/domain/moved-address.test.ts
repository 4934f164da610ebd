import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type KnownAddress, moved } from "./moved-address.ts";

interface Told {
  readonly from: string;
  readonly to: string;
  readonly atMs?: number;
}

const NOW_MS = 1_000_000;

/** What is known after notices that came in this order: where each id leads. */
function leads(...notices: readonly Told[]): Record<string, string> {
  const known = new Map<string, KnownAddress>();
  const of = (address: string): KnownAddress =>
    known.get(address) ?? { address, currentAddress: address, sinceMs: 0 };
  for (const { from, to, atMs } of notices) {
    const news = moved(of(from), of(to), atMs, NOW_MS);
    if (news === undefined) continue;
    for (const one of news) known.set(one.address, one);
    const [{ currentAddress, sinceMs }] = news;
    // As the store leads on what led to the id that has gone.
    for (const one of known.values()) {
      if (one.currentAddress === from && one.address !== from)
        known.set(one.address, {
          ...one,
          currentAddress,
          sinceMs: Math.max(one.sinceMs, sinceMs),
        });
    }
  }
  return Object.fromEntries([...known].map(([id, { currentAddress }]) => [id, currentAddress]));
}

const said = (from: string, to: string, atMs?: number): Told =>
  atMs === undefined ? { from, to } : { from, to, atMs };

describe("where an id leads", () => {
  test.each<[string, readonly Told[], Record<string, string>]>([
    ["once", [said("A", "B", 1)], { A: "B", B: "B" }],
    ["through two moves", [said("A", "B", 1), said("B", "C", 2)], { A: "C", B: "C", C: "C" }],
    [
      "told the wrong way round",
      [said("B", "C", 2), said("A", "B", 1)],
      { A: "C", B: "C", C: "C" },
    ],
    ["there and back", [said("A", "B", 1), said("B", "A", 2)], { A: "A", B: "A" }],
    [
      "there and back, and the first told again",
      [said("A", "B", 1), said("B", "A", 2), said("A", "B", 1)],
      { A: "A", B: "A" },
    ],
    [
      "back, before it is told that it had gone",
      [said("B", "A", 2), said("A", "B", 1)],
      { A: "A", B: "A" },
    ],
    ["twice within one second", [said("A", "B", 1), said("B", "C", 1)], { A: "C", B: "C", C: "C" }],
    [
      "told without a time, after one of tomorrow",
      [said("A", "B", NOW_MS * 2), said("B", "A")],
      { A: "A", B: "A" },
    ],
  ])("%s", (_what, notices, wanted) => expect(leads(...notices)).toEqual(wanted));
});

const ids = fc.constantFrom("A", "B", "C", "D");
const notice = fc
  .record({ from: ids, to: ids, atMs: fc.integer({ min: 1, max: 6 }) })
  .filter(({ from, to }) => from !== to);

test("whatever is told, in whatever order, one look leads to an id that stands", () => {
  fc.assert(
    fc.property(fc.array(notice, { maxLength: 12 }), (notices) => {
      const known = leads(...notices);
      for (const id of Object.values(known)) expect(known[id]).toBe(id);
    }),
    { numRuns: 2_000 },
  );
});

test("what is told again changes nothing", () => {
  fc.assert(
    fc.property(fc.array(notice, { minLength: 1, maxLength: 8 }), (notices) => {
      const [last] = notices.slice(-1);
      if (last === undefined) return;
      expect(leads(...notices, last)).toEqual(leads(...notices));
    }),
    { numRuns: 2_000 },
  );
});
