import { hasReason } from "@lanekeeper/rpc";
import { ManualClock } from "@lanekeeper/service/testing";
import { expect, test } from "vitest";
import { hasSession } from "../domain/key-state.ts";
import { LIMITS } from "../limits.ts";
import type { Change } from "../store/feed/read-changes.ts";
import { blankKey, standing } from "../testing/states.ts";
import type { Batch } from "./feed.ts";
import { parseSnapshot, type Snapshot } from "./snapshot.ts";
import { Subscription } from "./subscription.ts";

function batch(xmax: number, changes: number): Batch {
  const snapshot = parseSnapshot(`${xmax}:${xmax}:`) as Snapshot;
  return {
    history: { historyId: "h", nowMs: 0, snapshot },
    changes: Array.from({ length: changes }, (_, n) => change(n)),
  };
}

function change(n: number): Change {
  const state = { ...blankKey(), session: standing() };
  if (!hasSession(state)) throw new Error("it has one");
  return {
    changeId: BigInt(n),
    xid: 1n,
    state,
    mergedInto: undefined,
    rotated: false,
    writtenMs: 0,
  };
}

const never = new AbortController().signal;

test("a watcher that is told nothing for 15 s shows life, with the newest place", async () => {
  const clock = new ManualClock();
  const subscription = new Subscription(clock, (each) => each);
  const arrival = subscription.next(never);
  await clock.untilWaiting();
  subscription.batch(batch(5, 0));
  subscription.batch(batch(6, 0));
  await clock.advance(LIMITS.bookmarkEveryMs);
  expect(await arrival).toMatchObject({
    kind: "batch",
    batch: { history: { snapshot: { xmax: 6n } } },
  });
  const silence = subscription.next(never);
  await clock.untilWaiting();
  await clock.advance(LIMITS.bookmarkEveryMs);
  expect(await silence).toEqual({ kind: "silence" });
});

test("batches come in order, and those without a change are passed over", async () => {
  const subscription = new Subscription(new ManualClock(), (each) => each);
  for (const [xmax, changes] of [
    [1, 0],
    [2, 1],
    [3, 0],
    [4, 2],
  ] as const) {
    subscription.batch(batch(xmax, changes));
  }
  const seen = [await subscription.next(never), await subscription.next(never)];
  expect(seen).toMatchObject([
    { batch: { history: { snapshot: { xmax: 2n } } } },
    { batch: { history: { snapshot: { xmax: 4n } } } },
  ]);
});

test("a watcher that does not read is dropped as SLOW_CONSUMER", async () => {
  const subscription = new Subscription(new ManualClock(), (each) => each);
  subscription.batch(batch(1, LIMITS.maxSubscriberBuffer));
  subscription.batch(batch(2, 1));
  const error = await subscription.next(never).catch((thrown: unknown) => thrown);
  expect(hasReason(error, "SLOW_CONSUMER")).toBe(true);
});

test("an aborted watch ends with the abort's reason", async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const arrival = new Subscription(clock, (each) => each).next(controller.signal);
  await clock.untilWaiting();
  controller.abort(new Error("gone"));
  await expect(arrival).rejects.toThrow("gone");
});
