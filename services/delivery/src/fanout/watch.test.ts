import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WatchSessionsResponseSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { LanekeeperError } from "@lanekeeper/rpc";
import { eventually, gate } from "@lanekeeper/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { DeliveryDatabase } from "../store/sql.ts";
import { IdentityStandIn } from "../testing/identity-stand-in.ts";
import { QUICK, SECRET, startTestDelivery, type TestDelivery } from "../testing/test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "../testing/test-schemas.ts";

type Event = MessageInitShape<typeof WatchSessionsResponseSchema>;

let schemas: TestSchemas;
let db: DeliveryDatabase;
let identity: IdentityStandIn;
let delivery: TestDelivery;

beforeAll(async () => {
  schemas = await startTestSchemas();
  db = await schemas.open();
}, 60_000);
afterAll(() => schemas[Symbol.asyncDispose]());
beforeEach(async () => {
  identity = new IdentityStandIn(SECRET);
  await identity.start();
  const limits = { ...QUICK, subscribers: 2, watchBackoff: { baseMs: 1, maxMs: 10 } };
  delivery = await startTestDelivery(db, identity, { limits });
});
afterEach(async () => {
  await delivery[Symbol.asyncDispose]();
  await identity[Symbol.asyncDispose]();
});

const snapshot = (revision: bigint): Event => ({
  event: { case: "snapshot", value: { revision } },
});
const end = (resumeToken: string): Event => ({
  event: { case: "snapshotEnd", value: {} },
  resumeToken,
});
const changed = (revision: bigint, resumeToken: string): Event => ({
  event: { case: "changed", value: { revision } },
  resumeToken,
});

/** Gives these events and then stays open until the call ends. */
function stream(...events: readonly Event[]): IdentityStandIn["watch"] {
  return async function* (_request, call) {
    yield* events;
    await new Promise((resolve) => call.signal.addEventListener("abort", resolve));
  };
}

async function read(count: number, request = {}) {
  const told: string[] = [];
  for await (const { event } of delivery.as("ingress").watchSessions(request)) {
    const inner = event?.event;
    const revision =
      inner?.case === "snapshot" || inner?.case === "changed" ? inner.value.revision : "";
    told.push(`${inner?.case} ${revision}`.trim());
    if (told.length === count) break;
  }
  return told;
}

test("a subscriber is told of its tenant alone, with its own filter and token", async () => {
  identity.watch = stream(snapshot(1n), end("t-1"), changed(2n, "t-2"));
  const request = { agentId: "main", sessionKeyPrefix: "agent:main:r", resumeToken: "t-0" };
  expect(await read(3, request)).toEqual(["snapshot 1", "snapshotEnd", "changed 2"]);
  expect(identity.watches).toMatchObject([{ tenant: "acme", request }]);
});

test("a subscriber's stream goes on from its last token when session-identity comes back", async () => {
  const cut = gate();
  identity.watch = async function* ({ resumeToken }, call) {
    if (resumeToken === "") {
      yield snapshot(1n);
      yield end("t-1");
      yield changed(2n, "t-2");
      await cut.opened;
    } else {
      yield changed(3n, "t-3");
      await new Promise((resolve) => call.signal.addEventListener("abort", resolve));
    }
  };
  const reading = read(4);
  await eventually(() => identity.watches.length === 1);
  const restarted = identity.stop().then(() => identity.start());
  cut.open();
  await restarted;
  expect(await reading).toEqual(["snapshot 1", "snapshotEnd", "changed 2", "changed 3"]);
  expect(identity.watches.at(-1)).toMatchObject({ request: { resumeToken: "t-2" } });
});

test("a snapshot that breaks off is not taken for a whole one", async () => {
  identity.watch = async function* () {
    yield snapshot(1n);
    throw new LanekeeperError("DRAINING", "bye");
  };
  await expect(read(2)).rejects.toMatchObject({ reason: "DRAINING" });
  expect(identity.watches).toHaveLength(1);
});

test.each(["RESUME_TOKEN_EXPIRED", "SLOW_CONSUMER"] as const)(
  "%s reaches the subscriber, who begins anew",
  async (reason) => {
    identity.watch = async function* () {
      yield changed(2n, "t-2");
      throw new LanekeeperError(reason, "begin anew");
    };
    await expect(read(2, { resumeToken: "t-0" })).rejects.toMatchObject({ reason });
  },
);

test("one subscriber more than a replica may have is told to come later; who leaves makes room", async () => {
  identity.watch = stream(snapshot(1n));
  const client = delivery.as("ingress");
  const [first, second] = [client.watchSessions({}), client.watchSessions({})];
  await Promise.all([first.next(), second.next()]);
  await expect(read(1)).rejects.toMatchObject({ reason: "RATE_LIMITED" });
  await first.return();
  await eventually(async () => (await read(1)).length === 1);
  await second.return();
});

test("a filter that cannot be one is refused", async () => {
  await expect(read(1, { agentId: "No Agent" })).rejects.toMatchObject({
    reason: "INVALID_REQUEST",
  });
  const sessionKeyPrefix = "a".repeat(1_025);
  await expect(read(1, { sessionKeyPrefix })).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
});
