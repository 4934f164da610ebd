import { expect, test } from "vitest";
import { historyOf } from "../history/history.ts";
import type { Line } from "../history/line.ts";

const head = { f: "resolve" as const, process: "p" };

test("calls are paired with their answers; one without has no end", () => {
  const ask = { tenant: "t", name: "k" };
  const lines: Line[] = [
    { type: "invoke", at: 1, op: 1, ...head, value: ask },
    { type: "invoke", at: 2, op: 2, ...head, value: ask },
    { type: "invoke", at: 3, op: 3, ...head, value: ask },
    { type: "ok", at: 4, op: 1, ...head, value: { key: "k" } },
    { type: "fail", at: 5, op: 2, ...head, value: { reason: "QUOTA", metadata: {} } },
    { type: "info", at: 6, op: 3, ...head, value: "the connection was lost" },
  ];
  const found = historyOf(lines).ops.map(({ outcome, start, end }) => [outcome, start, end]);
  expect(found).toEqual([
    ["ok", 1, 4],
    ["fail", 2, 5],
    ["info", 3, Infinity],
  ]);
});

test("an answer that nobody asked for is no history", () => {
  const line: Line = { type: "ok", at: 1, op: 1, ...head, value: {} };
  expect(() => historyOf([line])).toThrow("nobody invoked");
});
