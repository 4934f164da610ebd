import { expect, test } from "vitest";
import { gapBetween } from "./steps-apart.ts";

test.each([
  ["Let me look.", "It is five.", "\n\n"],
  ["", "It is five.", ""],
  ["Let me look.", "", ""],
  ["Let me look. ", "It is five.", ""],
  ["Let me look.", "\nIt is five.", ""],
])("between %j and %j stands %j", (before, next, gap) => {
  expect(gapBetween(before, next)).toBe(gap);
});
