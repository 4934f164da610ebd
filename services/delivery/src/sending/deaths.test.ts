import type { IdentityClient } from "@lanekeeper/client";
import { createIdentityClient } from "@lanekeeper/client";
import { DeliveryState } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { OnUnknown } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { LanekeeperError, serviceCredential } from "@lanekeeper/rpc";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import type { DeliveryDatabase } from "../store/sql.ts";
import { registerWebhook, reply, untilState } from "../testing/replies.ts";
import { SECRET } from "../testing/test-delivery.ts";
import { testSending } from "../testing/test-sending.ts";

const world = testSending();

class Gone extends Error {}

/** From the death on nothing of the process reaches the database. */
function databaseUntil(isDead: () => boolean): DeliveryDatabase {
  const query: DeliveryDatabase["query"] = (statement, params) =>
    isDead() ? Promise.reject(new Gone("this process is dead")) : world.db.query(statement, params);
  const transaction: DeliveryDatabase["transaction"] = (work, options) =>
    isDead()
      ? Promise.reject(new Gone("this process is dead"))
      : world.db.transaction(work, options);
  return { ...world.db, query, transaction };
}

type Write = IdentityClient["writeLifecycle"];

/** What the dying process was about to do, or had just done, when it died. */
const STEPS: Readonly<Record<string, (write: Write, die: () => void) => Write>> = {
  "before its fence": (_, die) => () => {
    die();
    return Promise.reject(new Gone("this process is dead"));
  },
  "after its post, before it has told what came of it": (write, die) => (request, options) => {
    if (request.event?.case !== "settled") return write(request, options);
    die();
    return Promise.reject(new Gone("this process is dead"));
  },
  "after it has told, before it has written": (write, die) => async (request, options) => {
    const answer = await write(request, options);
    if (request.event?.case === "settled") die();
    return answer;
  },
};

/** A process dies at a step of the first reply's attempt; another finds it, and what is behind it. */
async function dieAt(step: string, policy: object) {
  const { db, identity, sink } = world;
  let isDead = false;
  const credential = serviceCredential("delivery", SECRET);
  using client = createIdentityClient({ target: identity.target, credential });
  const write =
    STEPS[step]?.(client.writeLifecycle, () => (isDead = true)) ?? client.writeLifecycle;
  identity.beforeSending = (deliveryId) => {
    if (!identity.of(deliveryId).includes("settled 1")) return;
    throw new LanekeeperError("SUPERSEDED", "the reply was sent");
  };
  const dying = databaseUntil(() => isDead);
  const overrides = { stepsDb: dying, identity: { ...client, writeLifecycle: write } };
  const first = await world.startReplica({ ...overrides, replica: "first" });
  const { routeId } = await registerWebhook(first.as("runner"), sink.url);
  await first.as("runner").configureRoute({ routeId, policy });
  const { deliveryId } = await first.as("runner").enqueueDelivery(reply(routeId, "turn-1"));
  await eventually(() => isDead);
  await eventually(() =>
    first.log.lines.some(({ msg }) => String(msg).includes("its lease will tell")),
  );
  const second = await world.startReplica({ replica: "second" });
  const runner = second.as("runner");
  const behind = await runner.enqueueDelivery(reply(routeId, "turn-2"));
  // As if the lease were over.
  await db.query("UPDATE routes SET due_time = now()");
  await untilState(runner, behind.deliveryId, "SENT");
  const { delivery, attempts } = await runner.getDelivery({ deliveryId });
  expect(attempts.map(({ replica }) => replica)).toEqual(["second", "first"]);
  const posts = sink.posts.map(({ id }) => id);
  expect(posts.pop()).toBe(behind.deliveryId);
  expect(new Set(posts)).toEqual(new Set([deliveryId]));
  return { state: delivery?.state, posts: posts.length, attempts };
}

const outcomesOf = (attempts: readonly { readonly outcome: string }[]) =>
  attempts.map(({ outcome }) => outcome);

test.each([
  ["before its fence", 1, ["sent", "unknown"]],
  ["after its post, before it has told what came of it", 2, ["sent", "unknown"]],
  // session-identity has it as sent.
  ["after it has told, before it has written", 1, ["sent", "sent"]],
] as const)(
  "a process that dies %s: %i posts in all, and those behind it follow in order",
  async (step, posts, outcomes) => {
    const found = await dieAt(step, {});
    expect(found).toMatchObject({ state: DeliveryState.SENT, posts });
    expect(outcomesOf(found.attempts)).toEqual(outcomes);
  },
);

const HOLD = { onUnknown: OnUnknown.HOLD };
const TOLD = "after it has told, before it has written";

test("hold: what session-identity was told is sent is SENT, although nobody wrote it", async () => {
  const found = await dieAt(TOLD, HOLD);
  expect(found).toMatchObject({ state: DeliveryState.SENT, posts: 1 });
  expect(outcomesOf(found.attempts)).toEqual(["sent", "sent"]);
});

test("hold: what session-identity was told has failed did not arrive, and is sent again", async () => {
  world.sink.next({ status: 503 });
  const found = await dieAt(TOLD, HOLD);
  expect(found).toMatchObject({ state: DeliveryState.SENT, posts: 2 });
  expect(outcomesOf(found.attempts)).toEqual(["sent", "failed"]);
});

test("hold: what nobody was told of may have arrived, and is UNKNOWN", async () => {
  const found = await dieAt("after its post, before it has told what came of it", HOLD);
  expect(found).toMatchObject({ state: DeliveryState.UNKNOWN, posts: 1 });
  expect(outcomesOf(found.attempts)).toEqual(["held", "unknown"]);
});
