import { captureLog, ManualClock } from "@lanekeeper/service/testing";
import { expect, test } from "vitest";
import type { RunnerDeps } from "../deps.ts";
import { gate } from "../testing/gate.ts";
import { LaneFeed } from "./lane-feed.ts";

test("a look at the lanes that goes on when the last watcher leaves is waited for, and none follows it", async () => {
  const clock = new ManualClock();
  const { log, lines } = captureLog();
  const answered = gate();
  let asked = 0;
  const query = async () => {
    asked += 1;
    await answered.opened;
    return { rows: [], rowCount: 0 };
  };
  const feed = new LaneFeed({ db: { query }, clock, log } as unknown as RunnerDeps);
  const { leave } = feed.join("t", () => true);
  await clock.advance(0);
  expect(asked).toBe(1);
  leave();
  const told: string[] = [];
  const settled = feed.settled().then(() => told.push("settled"));
  await clock.advance(0);
  told.push("answered");
  answered.open();
  await settled;
  expect(told).toEqual(["answered", "settled"]);
  expect([asked, clock.waiting, lines]).toEqual([1, 0, []]);
});
