import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { own, shown, TestFanOut } from "../testing/test-fan-out.ts";

const fan = new TestFanOut();
const { subscribe } = fan;

test("any token goes on behind its message, on another replica and after a restart", async () => {
  const first = subscribe();
  await first.until("snapshotEnd");
  for (let n = 0; n < 4; n += 1) fan.feed.commit(own("agent:main:a"), own("agent:main:b"));
  await first.until("changed agent:main:b 4");
  const other = await fan.start();
  fan.ends.push(async () => other[Symbol.asyncDispose]());
  await fan.restart();
  const all = first.messages.filter((message) => shown(message) !== "bookmark");
  for (const [index, { event }] of all.entries()) {
    const resumeToken = event?.resumeToken ?? "";
    if (resumeToken === "") continue;
    for (const at of [other, fan.delivery]) {
      const resumed = subscribe({ resumeToken }, { at });
      const rest = all.slice(index + 1).map(shown);
      await eventually(() => resumed.messages.some((message) => shown(message) === "bookmark"));
      expect(resumed.told()).toEqual(rest);
    }
  }
  const goesOn = subscribe({ resumeToken: first.token() });
  await eventually(() => goesOn.messages.length > 0);
  fan.feed.commit(own("agent:main:c"));
  await goesOn.until("changed agent:main:c 1");
  expect(goesOn.told()).toEqual(["changed agent:main:c 1"]);
});

test("session-identity's restart is not seen by subscribers, and loses nothing", async () => {
  const one = subscribe();
  await one.until("snapshotEnd");
  fan.feed.commit(own("agent:main:a"));
  await one.until("changed agent:main:a 1");
  await fan.identity.stop();
  fan.feed.commit(own("agent:main:a"), own("agent:main:b"));
  await fan.identity.start();
  await one.until("changed agent:main:b 1");
  expect(one.told().slice(1)).toEqual(
    [1, 2].map((n) => `changed agent:main:a ${n}`).concat("changed agent:main:b 1"),
  );
});

test("an absence that lasts ends the streams; their tokens stay good", async () => {
  await fan.restart({ watchOutageMs: 50 });
  const one = subscribe();
  await one.until("snapshotEnd");
  await fan.identity.stop();
  expect(await one.failed()).toMatchObject({
    reason: "STORE_UNAVAILABLE",
    metadata: { service: "session-identity" },
  });
  fan.feed.commit(own("agent:main:a"));
  await fan.identity.start();
  // Delivery may take longer than the 50 ms to find identity again, and say so to whoever comes.
  await eventually(() => {
    const again = subscribe({ resumeToken: one.token() });
    const isTold = again.until("changed agent:main:a 1").then(() => true);
    return Promise.race([isTold, again.failed().then(() => false)]);
  });
});

test("fences raised: every stream ends, no token of before is taken, a snapshot begins anew", async () => {
  fan.feed.commit(own("agent:main:a"));
  const one = subscribe();
  await one.until("snapshotEnd");
  fan.feed.raise();
  expect(await one.failed()).toMatchObject({ reason: "RESUME_TOKEN_EXPIRED" });
  const old = subscribe({ resumeToken: one.token() });
  expect(await old.failed()).toMatchObject({ reason: "RESUME_TOKEN_EXPIRED" });
  const anew = subscribe();
  await anew.until("snapshotEnd");
  fan.feed.commit(own("agent:main:a"));
  await anew.until("changed agent:main:a 2");
});

test("silence is broken by bookmarks, whose tokens pass over what others were told", async () => {
  await fan.restart({ bookmarkMs: 20 });
  const quiet = subscribe({ sessionKeyPrefix: "agent:main:quiet" });
  await quiet.until("snapshotEnd");
  for (let n = 0; n < 3; n += 1) fan.feed.commit(own("agent:main:loud"));
  await eventually(() => quiet.token().startsWith("1/3/"));
  expect(quiet.told()).toEqual(["snapshotEnd"]);
  const resumed = subscribe({ resumeToken: quiet.token() });
  fan.feed.commit(own("agent:main:loud"));
  await resumed.until("changed agent:main:loud 4");
  expect(resumed.told()).toEqual(["changed agent:main:loud 4"]);
});
