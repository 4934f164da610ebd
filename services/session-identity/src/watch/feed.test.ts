import { captureLog, ManualClock } from "@lanekeeper/service/testing";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { Feed, type FeedParts } from "./feed.ts";

test("a feed that is closed reads no more, and a read that has begun is waited for", async () => {
  const clock = new ManualClock();
  const { log, lines } = captureLog();
  const now = { history_id: "h", snapshot: "10:10:", now_ms: 1, change_id: null };
  let asked = 0;
  let answer = (): void => undefined;
  const query = () => {
    asked += 1;
    const answered = { rows: [now], rowCount: 1 };
    if (asked === 1) return Promise.resolve(answered);
    return new Promise((resolve) => {
      answer = () => resolve(answered);
    });
  };
  const feed = new Feed({ query: { query }, clock, log } as unknown as FeedParts);
  const told: string[] = [];
  await feed.listen({ rotationsOnly: false, batch: () => told.push("batch"), fail: () => {} });
  await clock.advance(LIMITS.watchPollMs);
  expect(asked).toBe(2);
  const closed = feed.close().then(() => told.push("closed"));
  feed.nudge("changes");
  await clock.advance(LIMITS.watchPollMs);
  expect([asked, clock.waiting]).toEqual([2, 0]);
  answer();
  await closed;
  expect(told).toEqual(["batch", "closed"]);
  expect([asked, clock.waiting]).toEqual([2, 0]);
  expect(lines).toEqual([]);
});
