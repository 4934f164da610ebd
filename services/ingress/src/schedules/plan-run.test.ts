import { isCronProblem, parseCron } from "@lanekeeper/cron";
import { expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../limits.ts";
import { planRun } from "./plan-run.ts";

function plan(expression: string, due: string, now: string) {
  const cron = parseCron(expression, "Europe/Berlin");
  if (isCronProblem(cron)) throw new Error(cron.problem);
  const { dueTime, missedTime, nextDueTime } = planRun(
    cron,
    { dueTime: new Date(`${due}Z`), now: new Date(`${now}Z`) },
    DEFAULT_LIMITS,
  );
  const told = (date: Date | undefined) => date?.toISOString().slice(0, 16);
  return [told(dueTime), told(missedTime), told(nextDueTime)];
}

const HOURLY = "0 * * * *";

test.each([
  [
    "in time",
    [HOURLY, "2026-06-01T08:00", "2026-06-01T08:00"],
    ["2026-06-01T08:00", undefined, "2026-06-01T09:00"],
  ],
  [
    "late by a restart: none is left out",
    ["* * * * *", "2026-06-01T08:00", "2026-06-01T08:04"],
    ["2026-06-01T08:00", undefined, "2026-06-01T08:01"],
  ],
  [
    "missed for three hours: the latest alone",
    [HOURLY, "2026-06-01T08:00", "2026-06-01T11:30"],
    ["2026-06-01T11:00", "2026-06-01T08:00", "2026-06-01T12:00"],
  ],
  [
    "missed, and no later one has come: that one",
    ["0 8 * * *", "2026-06-01T06:00", "2026-06-01T17:59"],
    ["2026-06-01T06:00", undefined, "2026-06-02T06:00"],
  ],
  [
    "missed for more than 12 hours: none",
    ["0 8 * * *", "2026-06-01T06:00", "2026-06-01T18:01"],
    [undefined, "2026-06-01T06:00", "2026-06-02T06:00"],
  ],
  [
    "missed for a year: the latest of the last 12 hours",
    ["*/5 * * * *", "2025-06-01T06:00", "2026-06-01T18:01"],
    ["2026-06-01T18:00", "2025-06-01T06:00", "2026-06-01T18:05"],
  ],
  [
    "missed over the hour that comes twice: its first pass",
    ["30 2 * * *", "2026-10-24T00:30", "2026-10-25T01:45"],
    ["2026-10-25T00:30", "2026-10-24T00:30", "2026-10-26T01:30"],
  ],
] as const)("%s", (_what, [expression, due, now], expected) => {
  expect(plan(expression, due, now)).toEqual(expected);
});
