import { expect, test } from "vitest";
import { rateLimitHeaders } from "./headers.ts";

const limit = { requestsPerMinute: 60, burst: 60 };
const at = (resetMs: number) => rateLimitHeaders({ limit, remaining: 5, resetMs, waitMs: 0 });

test.each([
  [0, "0ms", "0"],
  [17, "17ms", "1"],
  [30_000.000_000_1, "30s", "30"],
  [999.2, "1s", "1"],
  [1_000, "1s", "1"],
  [59_001, "1m0s", "60"],
  [360_000, "6m0s", "360"],
  [3_661_000, "1h1m1s", "3661"],
])("until full in %i ms is %s, and %s seconds", (resetMs, span, seconds) => {
  expect(at(resetMs)).toMatchObject({
    "x-ratelimit-reset-requests": span,
    "ratelimit-reset": seconds,
  });
});
