import { systemClock } from "@lanekeeper/service";
import { expect, test } from "vitest";
import { LaneSubscription } from "./lane-subscription.ts";
import type { SeenLane } from "./seen-lane.ts";

const { signal } = new AbortController();

function seen(sessionKey: string, depth: number): SeenLane {
  const nobody = { activeTurnId: null, holderRunId: null, heartbeatAgeMs: null };
  const mark = { tenant: "t", sessionKey, version: String(depth), heartbeat: "" };
  return {
    id: sessionKey,
    lane: { ...mark, ...nobody, depth, personsServed: 0, waiting: [] },
    seenMs: 0,
  };
}

async function read(subscription: LaneSubscription, count: number): Promise<string[]> {
  const told: string[] = [];
  while (told.length < count) {
    const arrival = await subscription.next(signal);
    told.push(
      "lane" in arrival
        ? `${arrival.kind} ${arrival.lane.id} ${arrival.lane.lane.depth}`
        : arrival.kind,
    );
  }
  return told;
}

test("the snapshot comes whole before any change, and what changed twice is told once", async () => {
  const subscription = new LaneSubscription(systemClock, () => true);
  subscription.begin([seen("a", 1), seen("b", 1)]);
  subscription.change(seen("a", 2));
  subscription.change(seen("b", 2));
  subscription.change(seen("a", 3));
  expect(await read(subscription, 5)).toEqual([
    "snapshot a 1",
    "snapshot b 1",
    "snapshot_end",
    "changed b 2",
    "changed a 3",
  ]);
});

test("lanes that the watcher did not ask for are not kept for it", async () => {
  const subscription = new LaneSubscription(systemClock, ({ id }) => id !== "other", 1);
  subscription.begin([seen("other", 1)]);
  subscription.change(seen("other", 2));
  subscription.change(seen("a", 1));
  expect(await read(subscription, 2)).toEqual(["snapshot_end", "changed a 1"]);
});

test("a reader that is too many lanes behind loses the stream, and the error names the bound", async () => {
  const subscription = new LaneSubscription(systemClock, () => true);
  subscription.begin([]);
  for (let n = 0; n < 10_000; n++) {
    subscription.change(seen(`lane ${n}`, 1));
    subscription.change(seen(`lane ${n}`, 2));
  }
  expect(await read(subscription, 2)).toEqual(["snapshot_end", "changed lane 0 2"]);
  subscription.change(seen("one", 1));
  subscription.change(seen("another", 1));
  await expect(subscription.next(signal)).rejects.toMatchObject({
    reason: "SLOW_CONSUMER",
    message: "more than 10000 lanes waited for the watcher to read",
  });
});
