import type { WatchSessionsResponse } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { eventually, gate } from "@lanekeeper/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { Limits } from "../limits.ts";
import type { DeliveryDatabase } from "../store/sql.ts";
import { FeedStandIn } from "../testing/feed-stand-in.ts";
import { IdentityStandIn } from "../testing/identity-stand-in.ts";
import { LanesStandIn } from "../testing/lanes-stand-in.ts";
import { QUICK, SECRET, startTestDelivery, type TestDelivery } from "../testing/test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "../testing/test-schemas.ts";

let schemas: TestSchemas;
let db: DeliveryDatabase;
let identity: IdentityStandIn;
let feed: FeedStandIn;
let lanes: LanesStandIn;
let delivery: TestDelivery;
let ends: (() => Promise<unknown>)[];

beforeAll(async () => {
  schemas = await startTestSchemas();
  db = await schemas.open();
});
afterAll(() => schemas[Symbol.asyncDispose]());
beforeEach(async () => {
  ends = [];
  feed = new FeedStandIn();
  lanes = new LanesStandIn();
  identity = new IdentityStandIn(SECRET);
  identity.watch = (request, call) => feed.watch(request, call);
  await identity.start();
  delivery = await start();
});
afterEach(async () => {
  for (const end of ends) await end();
  await delivery[Symbol.asyncDispose]();
  await identity[Symbol.asyncDispose]();
});

function start(limits: Partial<Limits> = {}): Promise<TestDelivery> {
  return startTestDelivery(db, identity, { limits: { ...QUICK, ...limits }, lanes });
}

type Request = Parameters<ReturnType<TestDelivery["as"]>["watchSessions"]>[0];
type Options = Parameters<ReturnType<TestDelivery["as"]>["watchSessions"]>[1];

/** A subscriber, read in the background. */
function subscribe(
  request: Request = {},
  {
    at = delivery,
    tenant = "acme",
    ...options
  }: Options & { at?: TestDelivery; tenant?: string } = {},
) {
  const stream = at.as("ingress", tenant).watchSessions(request, options);
  ends.push(() => stream.return());
  const messages: WatchSessionsResponse[] = [];
  let failure: unknown;
  const read = async (): Promise<void> => {
    for await (const message of stream) messages.push(message);
  };
  read().catch((error: unknown) => {
    failure = error;
  });
  const told = (): string[] => messages.map(shown).filter((text) => text !== "bookmark");
  return {
    messages,
    told,
    /** Resolves once it was told this last. */
    until: (last: string) =>
      eventually(() => told().at(-1) === last, { what: `${last} of ${told().join()}` }),
    failed: () => eventually(() => failure),
    token: () =>
      messages.findLast(({ event }) => (event?.resumeToken ?? "") !== "")?.event?.resumeToken ?? "",
  };
}

function shown({ event, lane }: WatchSessionsResponse): string {
  if (lane?.event.case === "snapshotEnd") return "lanes end";
  if (lane?.event.case === "snapshot" || lane?.event.case === "changed") {
    return `lane ${lane.event.case} ${lane.event.value.sessionKey} ${lane.event.value.depth}`;
  }
  const inner = event?.event;
  if (inner?.case === "merged") return `merged ${inner.value.sessionKey}`;
  if (inner?.case === "snapshot" || inner?.case === "changed") {
    return `${inner.case} ${inner.value.ref?.sessionKey} ${inner.value.revision}`;
  }
  return inner?.case ?? "";
}

const own = (key: string) => ({ tenant: "acme", key });
const followers = () => identity.watches.filter(({ tenant }) => tenant === "");

test("what stands, then each change, in order; one upstream watch for all subscribers", async () => {
  feed.commit(own("agent:main:a"), own("agent:main:b"));
  const all = [subscribe(), subscribe(), subscribe()];
  for (const one of all) await one.until("snapshotEnd");
  await eventually(() => all.every(({ messages }) => messages.length >= 3));
  feed.commit(own("agent:main:a"), own("agent:main:c"), own("agent:main:a"));
  feed.commit({ ...own("agent:main:b"), mergedInto: "agent:main:a" });
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
  expect(followers()).toHaveLength(1);
  expect(followers()[0]?.request).toMatchObject({ skipSnapshot: true, sessionKeyPrefix: "" });
});

test("a replica without subscribers follows nothing, from some time after the last one left", async () => {
  await delivery[Symbol.asyncDispose]();
  delivery = await start({ watchLingerMs: 1 });
  expect(identity.watches).toHaveLength(0);
  let ended = 0;
  feed.onCall = (_, call) => {
    if (call.tenant === "") call.signal.addEventListener("abort", () => (ended += 1));
  };
  const first = subscribe({ lanes: true });
  await first.until("lanes end");
  await Promise.all(ends.splice(0).map((end) => end()));
  await eventually(() => ended === 1);
  const second = subscribe();
  await second.until("snapshotEnd");
  feed.commit(own("agent:main:a"));
  await second.until("changed agent:main:a 1");
  expect(followers()).toHaveLength(2);
});

test("no tenant is told of another's, in snapshot, change, merge or lane, whatever the keys", async () => {
  const theirs = (key: string) => ({ tenant: "rival", key });
  feed.commit(own("agent:main:same"), theirs("agent:main:same"), theirs("agent:main:theirs"));
  lanes.set("rival", "agent:main:same", 7);
  lanes.set("acme", "agent:main:same", 1);
  const [ours, rivals] = [
    subscribe({ lanes: true }),
    subscribe({ lanes: true }, { tenant: "rival" }),
  ];
  await Promise.all([ours.until("lanes end"), rivals.until("lanes end")]);
  for (let n = 0; n < 5; n += 1) {
    feed.commit(theirs("agent:main:same"), {
      ...theirs("agent:main:theirs"),
      mergedInto: "agent:main:same",
    });
    lanes.set("rival", "agent:main:same", 8 + n);
  }
  feed.commit(own("agent:main:same"));
  lanes.set("acme", "agent:main:same", 2);
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
    () => identity.watches.filter(({ request }) => request.stopWhenTold).length === 4,
  );
  const joined = subscribe();
  await joined.until("snapshotEnd");
  for (const key of keys) feed.commit(own(key));
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

test("what is committed while a subscriber joins a feed that lags is told once and in order", async () => {
  const early = subscribe();
  await early.until("snapshotEnd");
  const lag = gate();
  feed.beforeStep = () => lag.opened;
  for (let n = 0; n < 3; n += 1) feed.commit(own("agent:main:a"), own("agent:main:b"));
  const late = subscribe();
  await late.until("snapshotEnd");
  feed.commit(own("agent:main:b"), own("agent:main:a"));
  lag.open();
  await late.until("changed agent:main:a 4");
  feed.commit(own("agent:main:a"));
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
  feed.commit(own("agent:main:a"));
  const read = gate();
  feed.beforeEnd = () => read.opened;
  const late = subscribe();
  await late.until("snapshotEnd");
  for (let n = 0; n < 3; n += 1) feed.commit(own("agent:main:a"), own("agent:main:b"));
  await early.until("changed agent:main:b 3");
  read.open();
  await late.until("changed agent:main:b 3");
  feed.commit(own("agent:main:a"));
  await late.until("changed agent:main:a 5");
  expect(late.told()).toEqual(
    ["snapshot agent:main:a 1", ...early.told().slice(2)].toSpliced(1, 0, "snapshotEnd"),
  );
});

test("any token goes on behind its message, on another replica and after a restart", async () => {
  const first = subscribe();
  await first.until("snapshotEnd");
  for (let n = 0; n < 4; n += 1) feed.commit(own("agent:main:a"), own("agent:main:b"));
  await first.until("changed agent:main:b 4");
  const other = await start();
  ends.push(async () => other[Symbol.asyncDispose]());
  await delivery[Symbol.asyncDispose]();
  delivery = await start();
  const all = first.messages.filter((message) => shown(message) !== "bookmark");
  for (const [index, { event }] of all.entries()) {
    const resumeToken = event?.resumeToken ?? "";
    if (resumeToken === "") continue;
    for (const at of [other, delivery]) {
      const resumed = subscribe({ resumeToken }, { at });
      const rest = all.slice(index + 1).map(shown);
      await eventually(() => resumed.messages.some((message) => shown(message) === "bookmark"));
      expect(resumed.told()).toEqual(rest);
    }
  }
  const goesOn = subscribe({ resumeToken: first.token() });
  await eventually(() => goesOn.messages.length > 0);
  feed.commit(own("agent:main:c"));
  await goesOn.until("changed agent:main:c 1");
  expect(goesOn.told()).toEqual(["changed agent:main:c 1"]);
});

test("session-identity's restart is not seen by subscribers, and loses nothing", async () => {
  const one = subscribe();
  await one.until("snapshotEnd");
  feed.commit(own("agent:main:a"));
  await one.until("changed agent:main:a 1");
  await identity.stop();
  feed.commit(own("agent:main:a"), own("agent:main:b"));
  await identity.start();
  await one.until("changed agent:main:b 1");
  expect(one.told().slice(1)).toEqual(
    [1, 2].map((n) => `changed agent:main:a ${n}`).concat("changed agent:main:b 1"),
  );
});

test("an absence that lasts ends the streams; their tokens stay good", async () => {
  await delivery[Symbol.asyncDispose]();
  delivery = await start({ watchOutageMs: 50 });
  const one = subscribe();
  await one.until("snapshotEnd");
  await identity.stop();
  expect(await one.failed()).toMatchObject({
    reason: "STORE_UNAVAILABLE",
    metadata: { service: "session-identity" },
  });
  feed.commit(own("agent:main:a"));
  await identity.start();
  // Delivery may take longer than the 50 ms to find identity again, and say so to whoever comes.
  await eventually(() => {
    const again = subscribe({ resumeToken: one.token() });
    const isTold = again.until("changed agent:main:a 1").then(() => true);
    return Promise.race([isTold, again.failed().then(() => false)]);
  });
});

test("fences raised: every stream ends, no token of before is taken, a snapshot begins anew", async () => {
  feed.commit(own("agent:main:a"));
  const one = subscribe();
  await one.until("snapshotEnd");
  feed.raise();
  expect(await one.failed()).toMatchObject({ reason: "RESUME_TOKEN_EXPIRED" });
  const old = subscribe({ resumeToken: one.token() });
  expect(await old.failed()).toMatchObject({ reason: "RESUME_TOKEN_EXPIRED" });
  const anew = subscribe();
  await anew.until("snapshotEnd");
  feed.commit(own("agent:main:a"));
  await anew.until("changed agent:main:a 2");
});

test("silence is broken by bookmarks, whose tokens pass over what others were told", async () => {
  await delivery[Symbol.asyncDispose]();
  delivery = await start({ bookmarkMs: 20 });
  const quiet = subscribe({ sessionKeyPrefix: "agent:main:quiet" });
  await quiet.until("snapshotEnd");
  for (let n = 0; n < 3; n += 1) feed.commit(own("agent:main:loud"));
  await eventually(() => quiet.token().startsWith("1/3/"));
  expect(quiet.told()).toEqual(["snapshotEnd"]);
  const resumed = subscribe({ resumeToken: quiet.token() });
  feed.commit(own("agent:main:loud"));
  await resumed.until("changed agent:main:loud 4");
  expect(resumed.told()).toEqual(["changed agent:main:loud 4"]);
});

test("lanes that have work, then their changes; a watch that began anew is told as changes", async () => {
  lanes.set("acme", "agent:main:a", 1);
  lanes.set("acme", "agent:main:b", 2);
  const one = subscribe({ lanes: true });
  const without = subscribe();
  await one.until("lanes end");
  await without.until("snapshotEnd");
  lanes.set("acme", "agent:main:a", 0);
  await one.until("lane changed agent:main:a 0");
  lanes.isAway = true;
  lanes.cut();
  await eventually(() => lanes.calls > 2);
  lanes.set("acme", "agent:main:b", 0);
  lanes.set("acme", "agent:main:c", 3);
  lanes.isAway = false;
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
  await delivery[Symbol.asyncDispose]();
  delivery = await start({ subscribers: 2 });
  const [first] = [subscribe(), subscribe()];
  await first?.until("snapshotEnd");
  await eventually(() => identity.watches.length >= 3);
  expect(await subscribe().failed()).toMatchObject({ reason: "RATE_LIMITED" });
  await ends.shift()?.();
  await eventually(async () => {
    const again = delivery.as("ingress").watchSessions({});
    ends.push(() => again.return());
    return (await again.next()).done === false;
  });
});

test("a filter that cannot be one is refused", async () => {
  const refused = [{ agentId: "No Agent" }, { sessionKeyPrefix: "a".repeat(1_025) }];
  for (const request of refused) {
    expect(await subscribe(request).failed()).toMatchObject({ reason: "INVALID_REQUEST" });
  }
});
