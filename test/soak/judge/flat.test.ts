import { expect, test } from "vitest";
import { TABLE_SIZE } from "../samples/database.ts";
import { RESIDENT } from "../samples/processes.ts";
import type { Point } from "../samples/samples.ts";
import { judgeFlatness } from "./flat.ts";

const SECONDS = 1_200;

function pointsOf(value: (atSeconds: number) => number): Point[] {
  return Array.from({ length: 240 }, (_, n) => ({ atSeconds: n * 5, value: value(n * 5) }));
}

function rulingOf(group: string, name: string, value: (atSeconds: number) => number) {
  return judgeFlatness([{ group, name, points: pointsOf(value) }], SECONDS)[0]?.ruling;
}

const memory = (value: (atSeconds: number) => number) => rulingOf(RESIDENT, "runner-1", value);

test("what grows at first and then stays is flat", () => {
  expect(memory((at) => 100 + 50 * Math.min(1, at / 500))).toBe("flat");
});

test("a saw-tooth and a few spikes are flat", () => {
  expect(memory((at) => 100 + (at % 60))).toBe("flat");
  expect(memory((at) => (at % 300 === 295 ? 900 : 120))).toBe("flat");
});

test("a leak below a saw-tooth grows: 20 MiB in ten minutes", () => {
  expect(memory((at) => 100 + (at % 60) / 2 + (20 * at) / 600)).toBe("GROWS");
});

test("what went up with a disturbance of minutes and came down again is flat", () => {
  const disturbed = (at: number) =>
    at > 800 && at < 1_100 ? 160 + (at % 40) : 100 + (at % 40) / 4;
  expect(memory(disturbed)).toBe("flat");
  expect(memory((at) => disturbed(at) + (20 * at) / 600)).toBe("GROWS");
});

test("a saw-tooth of many minutes is flat, wherever the run ends on it, unless its tops grow", () => {
  const slow = (at: number) => 120 + 30 * ((at % 420) / 420);
  for (const shift of [0, 60, 120, 180, 240, 300, 360]) {
    expect(
      memory((at) => slow(at + shift)),
      `${shift}`,
    ).toBe("flat");
    expect(
      memory((at) => slow(at + shift) + at / 8),
      `${shift}`,
    ).toBe("GROWS");
  }
});

test("a step that stays is growth", () => {
  expect(memory((at) => (at > 900 ? 150 : 100) + (at % 30) / 3)).toBe("GROWS");
});

test("what falls is flat", () => {
  expect(memory((at) => 300 - at / 10)).toBe("flat");
});

test("a table that is never swept grows, a small one by its pages does not", () => {
  expect(rulingOf(TABLE_SIZE, "identity.journal", (at) => at / 60)).toBe("GROWS");
  expect(rulingOf(TABLE_SIZE, "delivery.paces", (at) => 0.3 + at / 10_000)).toBe("flat");
});

test("a process that is killed, and a group without a tolerance, are not judged", () => {
  expect(rulingOf(RESIDENT, "runner-2", (at) => at)).toBe("not judged");
  expect(rulingOf("something", "else", (at) => at)).toBe("not judged");
});

test("a series that broke off is not called flat, one that begins late is not judged", () => {
  const judge = (points: readonly Point[]) =>
    judgeFlatness([{ group: RESIDENT, name: "runner-1", points }], SECONDS)[0]?.ruling;
  expect(judge(pointsOf(() => 1).slice(0, 125))).toBe("BROKE OFF");
  expect(judge(pointsOf(() => 1).slice(-5))).toBe("not judged");
});
