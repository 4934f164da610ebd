import { expect, test } from "vitest";
import { unknownVariables } from "./unknown-variables.ts";
import { knownVariables } from "./variables.ts";

const find = (env: Record<string, string>) => unknownVariables(knownVariables, env, "LANEKEEPER_");

test("a misspelt variable is told with the one that was meant", () => {
  expect(find({ LANEKEEPER_DRAIN_TIMOUT: "1s" })).toEqual([
    { name: "LANEKEEPER_DRAIN_TIMOUT", meant: "LANEKEEPER_DRAIN_TIMEOUT" },
  ]);
});

test("one that is like none is told without a guess", () => {
  expect(find({ LANEKEEPER_COLOUR_SCHEME: "dark" })).toEqual([
    { name: "LANEKEEPER_COLOUR_SCHEME" },
  ]);
});

test("known ones and other programs' are left alone", () => {
  expect(
    find({ LANEKEEPER_PORT: "1", LANEKEEPER_CORS_ORIGINS: "*", PATH: "/bin", DATABASE_URL: "x" }),
  ).toEqual([]);
});
