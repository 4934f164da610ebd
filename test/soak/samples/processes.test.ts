import { expect, test } from "vitest";

import { isStarting, valueOf } from "./processes.ts";

const START = `
# HELP process_start_time_seconds Start time of the process
process_start_time_seconds{service="runner"} 1000
`;

test("a process whose service is not there yet is starting, for a while; then its metrics are missed", () => {
  expect(isStarting(START, "waits", 1_001_000)).toBe(true);
  expect(isStarting(START, "waits", 1_100_000)).toBe(false);
  expect(isStarting(`${START}waits_sum 0\n`, "waits", 1_001_000)).toBe(false);
  expect(() => valueOf(START, "waits_sum")).toThrow("no waits_sum at /metrics");
});

test("of a metric the sum over its labels is read, and nothing that is named alike", () => {
  const page = `
waits_bucket{le="1",class="a"} 7
waits_sum{class="a"} 0.5
waits_count{class="a"} 2
waits_sum{class="b"} 1.25
waits_count{class="b"} 3
`;
  expect(valueOf(page, "waits_sum")).toBe(1.75);
  expect(valueOf(page, "waits_count")).toBe(5);
});
