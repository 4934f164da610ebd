import fc from "fast-check";
import { expect, test } from "vitest";
import { laneHead, laneOrder, type WaitingTurn } from "./lane-order.ts";

function waiting(text: string): WaitingTurn[] {
  return text.split(" ").map((turnId, index) => ({
    turnId,
    front: turnId.startsWith("f"),
    isPerson: !turnId.startsWith("s"),
    laneSeq: BigInt(index + 1),
  }));
}

function order(text: string, personsServed = 0, budget = 2): string {
  return laneOrder(waiting(text), personsServed, budget)
    .map(({ turnId }) => turnId)
    .join(" ");
}

test("the front goes first, then persons, then the system, each as accepted", () => {
  expect(order("s1 p1 f1 p2 s2 f2", 0, 8)).toBe("f1 f2 p1 p2 s1 s2");
});

test("after as many person turns as the budget allows, one system turn is served", () => {
  expect(order("s1 p1 p2 p3 p4 s2")).toBe("p1 p2 s1 p3 p4 s2");
  expect(order("s1 p1 p2 p3", 2)).toBe("s1 p1 p2 p3");
  expect(order("p1 p2 p3 p4 p5")).toBe("p1 p2 p3 p4 p5");
});

const turns = fc
  .array(fc.record({ front: fc.boolean(), isPerson: fc.boolean() }), { maxLength: 40 })
  .map((rows) =>
    rows.map(
      (row, index): WaitingTurn => ({ ...row, turnId: `t${index}`, laneSeq: BigInt(index) }),
    ),
  );

test("nobody is lost, nobody starves, and no class overtakes itself", () => {
  fc.assert(
    fc.property(turns, fc.nat(10), fc.integer({ min: 1, max: 9 }), (rows, served, budget) => {
      const ordered = laneOrder(rows, served, budget);
      expect(ordered.map(({ turnId }) => turnId).toSorted()).toEqual(
        rows.map(({ turnId }) => turnId).toSorted(),
      );
      for (const isPerson of [true, false]) {
        const ofClass = ordered.filter((turn) => !turn.front && turn.isPerson === isPerson);
        const seqs = ofClass.map(({ laneSeq }) => laneSeq);
        expect(seqs).toEqual(seqs.toSorted((a, b) => (a < b ? -1 : 1)));
      }
      const first = ordered.findIndex((turn) => !turn.front && !turn.isPerson);
      if (first >= 0) {
        const before = ordered.slice(0, first).filter((turn) => !turn.front).length;
        expect(before).toBeLessThanOrEqual(budget);
      }
    }),
  );
});

test("taking heads one by one gives the same order", () => {
  fc.assert(
    fc.property(turns, fc.nat(10), (rows, served) => {
      let left = rows;
      let persons = served;
      const taken: string[] = [];
      for (let head = laneHead(left, persons, 8); head; head = laneHead(left, persons, 8)) {
        const { turnId, isPerson } = head;
        taken.push(turnId);
        persons = isPerson ? persons + 1 : 0;
        left = left.filter((turn) => turn.turnId !== turnId);
      }
      expect(taken).toEqual(laneOrder(rows, served, 8).map(({ turnId }) => turnId));
    }),
  );
});
