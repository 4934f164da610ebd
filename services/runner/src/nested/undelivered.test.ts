import { DeliveryState } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { applyMain, Attached, KEY, turnFor } from "../testing/requests.ts";
import { answers, deliverTo, parentOf, replyOf, turnsOf } from "../testing/subagents.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { World } from "../testing/world.ts";

const worlds = testWorlds();

const TOOLS = { tools: ["sessions_spawn"] };

/** A subagent has answered a while ago, delivery took the answer, and does not bring it. */
async function undelivered(world: World) {
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  const { submit } = deliverTo(world, replica);
  world.delivery.onToParent = undefined;
  world.model.behaviour = parentOf(answers, false);
  await new Attached(replica, { submit: turnFor(world, "spawn task") }).ended;
  const [childKey = ""] = [...world.delivery.routes.keys()];
  await eventually(async () => world.delivery.taken.some(({ text }) => text === "42"));
  await eventually(async () => (await world.db.query("SELECT FROM outbox")).rowCount === 0);
  const [child] = await turnsOf(replica, childKey);
  const turnId = child?.turnId ?? "";
  await world.db.query(
    "UPDATE turns SET end_time = end_time - $1 * interval '1 ms' WHERE turn_id = $2",
    [LIMITS.undeliveredLookMs, turnId],
  );
  return { replica, submit, childKey, turnId };
}

test.concurrent.each(["FAILED", "UNKNOWN"] as const)(
  "an answer that delivery has given up (%s) is told all the same, and once, also where it is redriven",
  async (state) => {
    await using world = await worlds.start();
    const { replica, submit, childKey, turnId } = await undelivered(world);
    const { sweeper } = replica.context;
    await sweeper.sweepOnce();
    // It is on its way.
    expect((await turnsOf(replica, KEY)).length).toBe(1);
    world.delivery.states.set(turnId, DeliveryState[state]);
    await sweeper.sweepOnce();
    await eventually(async () => (await replyOf(replica, 1)) !== "");
    expect(await replyOf(replica, 1)).toBe(
      `heard: The subagent ${childKey} (turn ${turnId}) has answered:\n42`,
    );
    const [, told] = await turnsOf(replica, KEY);
    expect(await submit({ turnId, text: "42", parentKey: KEY })).toMatchObject({
      turnId: told?.turnId,
      disposition: Disposition.JOINED,
    });
    await sweeper.sweepOnce();
    expect((await turnsOf(replica, KEY)).length).toBe(2);
  },
);

test.concurrent("one that was reset away, and whose session could not be told so by delivery, is told as withheld", async () => {
  await using world = await worlds.start();
  const { replica, childKey, turnId } = await undelivered(world);
  world.identity.rotate("t1", childKey);
  world.delivery.states.set(turnId, DeliveryState.SUPPRESSED_STALE);
  await replica.context.sweeper.sweepOnce();
  await eventually(async () => (await replyOf(replica, 1)) !== "");
  expect(await replyOf(replica, 1)).toContain("the answer does not come.");
});

test.concurrent("while delivery cannot be asked nothing is told, and nothing is given up", async () => {
  await using world = await worlds.start();
  const { replica, turnId } = await undelivered(world);
  world.delivery.states.set(turnId, DeliveryState.FAILED);
  world.delivery.isDown = true;
  await replica.context.sweeper.sweepOnce();
  expect((await turnsOf(replica, KEY)).length).toBe(1);
  world.delivery.isDown = false;
  await replica.context.sweeper.sweepOnce();
  await eventually(async () => (await replyOf(replica, 1)) !== "");
});

test.concurrent("a session whose agent is left out hears of it once that is back", async () => {
  await using world = await worlds.start();
  const { replica, turnId } = await undelivered(world);
  world.delivery.states.set(turnId, DeliveryState.FAILED);
  const model = { provider: { case: "scripted" as const, value: {} } };
  await replica.client.applyAgents({ agents: [{ agentId: "other", model }] });
  await replica.context.sweeper.sweepOnce();
  expect((await turnsOf(replica, KEY)).length).toBe(1);
  await applyMain(replica, TOOLS);
  await replica.context.sweeper.sweepOnce();
  await eventually(async () => (await replyOf(replica, 1)) !== "");
  expect(await replyOf(replica, 1)).toContain("has answered:\n42");
});
