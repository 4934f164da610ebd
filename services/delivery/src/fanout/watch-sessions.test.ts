import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { own, TestFanOut } from "../testing/test-fan-out.ts";

const fan = new TestFanOut();
const { subscribe } = fan;

test("what stands, then each change, in order; one upstream watch for all subscribers", async () => {
  fan.feed.commit(own("agent:main:a"), own("agent:main:b"));
  const all = [subscribe(), subscribe(), subscribe()];
  for (const one of all) await one.until("snapshotEnd");
  await eventually(() => all.every(({ messages }) => messages.length >= 3));
  fan.feed.commit(own("agent:main:a"), own("agent:main:c"), own("agent:main:a"));
  fan.feed.commit({ ...own("agent:main:b"), mergedInto: "agent:main:a" });
  for (const one of all) {
    await one.until("merged agent:main:b");
    expect(one.told()).toEqual([
      "snapshot agent:main:a 1",
      "snapshot agent:main:b 1",
      "snapshotEnd",
      "changed agent:main:a 2",
      "changed agent:main:c 1",
      "changed agent:main:a 3",
      "merged agent:main:b",
    ]);
  }
  expect(fan.followers()).toHaveLength(1);
  expect(fan.followers()[0]?.request).toMatchObject({ skipSnapshot: true, sessionKeyPrefix: "" });
});

test("a replica without subscribers follows nothing, from some time after the last one left", async () => {
  await fan.restart({ watchLingerMs: 1 });
  expect(fan.identity.watches).toHaveLength(0);
  let ended = 0;
  fan.feed.onCall = (_, call) => {
    if (call.tenant === "") call.signal.addEventListener("abort", () => (ended += 1));
  };
  const first = subscribe({ lanes: true });
  await first.until("lanes end");
  await Promise.all(fan.ends.splice(0).map((end) => end()));
  await eventually(() => ended === 1);
  const second = subscribe();
  await second.until("snapshotEnd");
  fan.feed.commit(own("agent:main:a"));
  await second.until("changed agent:main:a 1");
  expect(fan.followers()).toHaveLength(2);
});

test("no tenant is told of another's, in snapshot, change, merge or lane, whatever the keys", async () => {
  const theirs = (key: string) => ({ tenant: "rival", key });
  fan.feed.commit(own("agent:main:same"), theirs("agent:main:same"), theirs("agent:main:theirs"));
  fan.lanes.set("rival", "agent:main:same", 7);
  fan.lanes.set("acme", "agent:main:same", 1);
  const [ours, rivals] = [
    subscribe({ lanes: true }),
    subscribe({ lanes: true }, { tenant: "rival" }),
  ];
  await Promise.all([ours.until("lanes end"), rivals.until("lanes end")]);
  for (let n = 0; n < 5; n += 1) {
    fan.feed.commit(theirs("agent:main:same"), {
      ...theirs("agent:main:theirs"),
      mergedInto: "agent:main:same",
    });
    fan.lanes.set("rival", "agent:main:same", 8 + n);
  }
  fan.feed.commit(own("agent:main:same"));
  fan.lanes.set("acme", "agent:main:same", 2);
  await eventually(() => ours.told().length >= 6);
  await eventually(() => rivals.told().length >= 20);
  expect(ours.told().toSorted()).toEqual([
    "changed agent:main:same 2",
    "lane changed agent:main:same 2",
    "lane snapshot agent:main:same 1",
    "lanes end",
    "snapshot agent:main:same 1",
    "snapshotEnd",
  ]);
  expect(
    ours.messages.every(({ event, lane }) => (event?.tenant ?? lane?.tenant ?? "") === ""),
  ).toBe(true);
});

test("only keys of the prefix, the agent, and what the credential is confined to", async () => {
  const keys = ["agent:main:web:1", "agent:main:other", "agent:side:web:1", "agent:main:web:2"];
  const byPrefix = subscribe({ sessionKeyPrefix: "agent:main:web:" });
  const byAgent = subscribe({ agentId: "side" });
  const confinedAgents = subscribe({}, { agents: ["side"], scopes: ["operator"] });
  const confinedKeys = subscribe({}, { keyPrefixes: ["agent:main:web:2", "agent:side:"] });
  const all = [byPrefix, byAgent, confinedAgents, confinedKeys];
  for (const one of all) await one.until("snapshotEnd");
  await eventually(
    () => fan.identity.watches.filter(({ request }) => request.stopWhenTold).length === 4,
  );
  const joined = subscribe();
  await joined.until("snapshotEnd");
  for (const key of keys) fan.feed.commit(own(key));
  const changes = (one: { told(): string[] }) =>
    one.told().filter((text) => text !== "snapshotEnd");
  await eventually(() => changes(byPrefix).length === 2 && changes(confinedKeys).length === 2);
  await eventually(() => changes(byAgent).length === 1 && changes(confinedAgents).length === 1);
  await joined.until("changed agent:main:web:2 1");
  expect(changes(byPrefix)).toEqual(["changed agent:main:web:1 1", "changed agent:main:web:2 1"]);
  expect(changes(byAgent)).toEqual(["changed agent:side:web:1 1"]);
  expect(changes(confinedAgents)).toEqual(["changed agent:side:web:1 1"]);
  expect(changes(confinedKeys)).toEqual([
    "changed agent:side:web:1 1",
    "changed agent:main:web:2 1",
  ]);
  const forbidden = subscribe({ agentId: "main" }, { agents: ["side"], scopes: ["operator"] });
  expect(await forbidden.failed()).toMatchObject({
    reason: "PERMISSION_DENIED",
    metadata: { agent_id: "main", bound_by: "agent_ids" },
  });
});

test("where a session was merged to is told to those alone who may reach that key", async () => {
  const web = "agent:main:web:1";
  const asked = subscribe({ sessionKeyPrefix: "agent:main:web:" });
  const bound = subscribe({}, { keyPrefixes: ["agent:main:web:"] });
  const wider = subscribe({}, { keyPrefixes: ["agent:main:web:", "agent:main:crm:"] });
  const all = [asked, bound, wider];
  for (const one of all) await one.until("snapshotEnd");
  const joined = subscribe();
  await joined.until("snapshotEnd");
  fan.feed.commit({ ...own(web), mergedInto: "agent:main:crm:secret" });
  for (const one of all) await one.until(`merged ${web}`);
  const survivors = all.map(({ messages }) => {
    const event = messages.findLast((message) => message.event?.event.case === "merged")?.event;
    return event?.event.case === "merged" && event.event.value.survivorSessionKey;
  });
  expect(survivors).toEqual(["agent:main:crm:secret", "", "agent:main:crm:secret"]);
});

test("lanes that have work, then their changes; a watch that began anew is told as changes", async () => {
  fan.lanes.set("acme", "agent:main:a", 1);
  fan.lanes.set("acme", "agent:main:b", 2);
  const one = subscribe({ lanes: true });
  const without = subscribe();
  await one.until("lanes end");
  await without.until("snapshotEnd");
  fan.lanes.set("acme", "agent:main:a", 0);
  await one.until("lane changed agent:main:a 0");
  fan.lanes.isAway = true;
  fan.lanes.cut();
  await eventually(() => fan.lanes.calls > 2);
  fan.lanes.set("acme", "agent:main:b", 0);
  fan.lanes.set("acme", "agent:main:c", 3);
  fan.lanes.isAway = false;
  await one.until("lane changed agent:main:c 3");
  expect(one.told()).toEqual([
    "snapshotEnd",
    "lane snapshot agent:main:a 1",
    "lane snapshot agent:main:b 2",
    "lanes end",
    "lane changed agent:main:a 0",
    "lane changed agent:main:b 0",
    "lane changed agent:main:c 3",
  ]);
  expect(without.told()).toEqual(["snapshotEnd"]);
  const filtered = subscribe({ lanes: true, sessionKeyPrefix: "agent:main:c" });
  await filtered.until("lanes end");
  expect(filtered.told()).toEqual(["snapshotEnd", "lane snapshot agent:main:c 3", "lanes end"]);
});

test("one subscriber more than a replica may have is told to come later; who leaves makes room", async () => {
  await fan.restart({ subscribers: 2 });
  const [first] = [subscribe(), subscribe()];
  await first?.until("snapshotEnd");
  await eventually(() => fan.identity.watches.length >= 3);
  expect(await subscribe().failed()).toMatchObject({
    ...{ reason: "RATE_LIMITED", metadata: { limit: "2" } },
  });
  await fan.ends.shift()?.();
  await eventually(async () => {
    const again = fan.delivery.as("ingress").watchSessions({});
    fan.ends.push(() => again.return());
    return (await again.next()).done === false;
  });
});

test("a filter that cannot be one is refused", async () => {
  const refused = [{ agentId: "No Agent" }, { sessionKeyPrefix: "a".repeat(1_025) }];
  for (const request of refused) {
    expect(await subscribe(request).failed()).toMatchObject({ reason: "INVALID_REQUEST" });
  }
});
