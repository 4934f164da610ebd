import { gate } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { own, TestFanOut } from "../testing/test-fan-out.ts";

const fan = new TestFanOut();
const { subscribe } = fan;

test("what is committed while a subscriber joins a feed that lags is told once and in order", async () => {
  const early = subscribe();
  await early.until("snapshotEnd");
  const lag = gate();
  fan.feed.beforeStep = () => lag.opened;
  for (let n = 0; n < 3; n += 1) fan.feed.commit(own("agent:main:a"), own("agent:main:b"));
  const late = subscribe();
  await late.until("snapshotEnd");
  fan.feed.commit(own("agent:main:b"), own("agent:main:a"));
  lag.open();
  await late.until("changed agent:main:a 4");
  fan.feed.commit(own("agent:main:a"));
  await late.until("changed agent:main:a 5");
  expect(late.told()).toEqual([
    "snapshot agent:main:a 3",
    "snapshot agent:main:b 3",
    "snapshotEnd",
    "changed agent:main:b 4",
    "changed agent:main:a 4",
    "changed agent:main:a 5",
  ]);
  await early.until("changed agent:main:a 5");
  expect(early.told().filter((text) => text.includes(":a "))).toEqual(
    [1, 2, 3, 4, 5].map((n) => `changed agent:main:a ${n}`),
  );
});

test("what the feed tells between a subscriber's reading and its joining is read, once", async () => {
  const early = subscribe();
  await early.until("snapshotEnd");
  fan.feed.commit(own("agent:main:a"));
  const read = gate();
  fan.feed.beforeEnd = () => read.opened;
  const late = subscribe();
  await late.until("snapshotEnd");
  for (let n = 0; n < 3; n += 1) fan.feed.commit(own("agent:main:a"), own("agent:main:b"));
  await early.until("changed agent:main:b 3");
  read.open();
  await late.until("changed agent:main:b 3");
  fan.feed.commit(own("agent:main:a"));
  await late.until("changed agent:main:a 5");
  expect(late.told()).toEqual(
    ["snapshot agent:main:a 1", ...early.told().slice(2)].toSpliced(1, 0, "snapshotEnd"),
  );
});

test("whoever reads a long snapshot slowly keeps nobody else from theirs", async () => {
  await fan.restart({ readsAtOnce: 1, readerPatienceMs: 20 });
  fan.feed.commit(
    ...Array.from({ length: 4_000 }, (_, n) => own(`agent:main:${"long".repeat(10)}${n}`)),
  );
  const slow = fan.delivery.as("ingress", "acme").watchSessions({});
  fan.ends.push(() => slow.return());
  expect((await slow.next()).value?.event?.event.case).toBe("snapshot");
  const next = subscribe({ sessionKeyPrefix: "agent:main:none" });
  await next.until("snapshotEnd");
  // It goes on where it left off, once it reads.
  let told = 1;
  for await (const { event } of slow) {
    if (event?.event.case === "snapshotEnd") break;
    told += 1;
  }
  expect(told).toBe(4_000);
});
