import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import type { Replica, World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

const asks = { cancelOnDisconnect: true };

/** Two replicas, and a model that answers once it may. */
async function started() {
  const world = await worlds.start();
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  const may = gate();
  world.model.behaviour = heldAnswer(may.opened);
  return { world, a, b, may };
}

async function stateOf(replica: Replica, turnId: string) {
  return (await replica.client.getTurn({ turnId })).turn?.state;
}

/** Until so many are counted over all replicas; null: none has asked. */
async function counted(world: World, turnId: string, count: number | null) {
  const text = "SELECT FROM turns WHERE turn_id = $1 AND attached IS NOT DISTINCT FROM $2";
  await eventually(async () => (await world.db.query(text, [turnId, count])).rowCount === 1);
}

test.concurrent("who leaves does not cancel, unless the attachment asked for it", async () => {
  const { world, a, may } = await started();
  await using _ = world;
  const stays = new Attached(a, { submit: turnFor(world, "stays") });
  const goes = new Attached(
    a,
    { submit: turnFor(world, "goes", { key: "agent:main:other" }) },
    asks,
  );
  await eventually(() => stays.kinds.includes("textDelta") && goes.kinds.includes("textDelta"));
  stays.leave();
  goes.leave();
  await eventually(async () => (await stateOf(a, goes.turnId)) === TurnState.CANCELLED);
  may.open();
  const back = new Attached(a, { turnId: stays.turnId });
  expect((await back.ended).state).toBe(TurnState.COMPLETED);
  expect(back.text).toBe("held");
});

test.concurrent("who leaves and asked for it does not cancel either while another is attached", async () => {
  const { world, a, may } = await started();
  await using _ = world;
  const stays = new Attached(a, { submit: turnFor(world, "one") });
  await eventually(() => stays.kinds.includes("textDelta"));
  const { turnId } = stays;
  const goes = new Attached(a, { turnId }, asks);
  await eventually(() => goes.kinds.includes("textDelta"));
  goes.leave();
  await counted(world, turnId, 0);
  expect(await stateOf(a, turnId)).toBe(TurnState.ACTIVE);
  may.open();
  expect((await stays.ended).state).toBe(TurnState.COMPLETED);
});

test.concurrent.each(["a", "b"] as const)(
  "nor while another is attached to another replica, whichever of them (%s) it leaves: the last one cancels",
  async (first) => {
    const { world, a, b, may } = await started();
    await using _ = world;
    const at = { a: new Attached(a, { submit: turnFor(world, "one") }, asks) };
    await eventually(() => at.a.kinds.includes("textDelta"));
    const { turnId } = at.a;
    const both = { ...at, b: new Attached(b, { turnId }, asks) };
    await eventually(() => both.b.kinds.includes("textDelta"));
    await counted(world, turnId, 2);
    both[first].leave();
    await counted(world, turnId, 1);
    expect(await stateOf(a, turnId)).toBe(TurnState.ACTIVE);
    both[first === "a" ? "b" : "a"].leave();
    await eventually(async () => (await stateOf(a, turnId)) === TurnState.CANCELLED);
    may.open();
  },
);

test.concurrent("who came after it to another replica and did not ask keeps the turn, and does not cancel", async () => {
  const { world, a, b, may } = await started();
  await using _ = world;
  const submit = turnFor(world, "one");
  const goes = new Attached(a, { submit }, asks);
  await eventually(() => goes.kinds.includes("textDelta"));
  const { turnId } = goes;
  const [again, looksOn] = [new Attached(b, { submit }), new Attached(b, { turnId })];
  await counted(world, turnId, 3);
  goes.leave();
  looksOn.leave();
  await counted(world, turnId, 1);
  expect(await stateOf(b, turnId)).toBe(TurnState.ACTIVE);
  may.open();
  expect((await again.ended).state).toBe(TurnState.COMPLETED);
});

test.concurrent("of a turn that nobody asks it of nobody counts, and nothing is written for it", async () => {
  const { world, a, b, may } = await started();
  await using _ = world;
  const caller = new Attached(a, { submit: turnFor(world, "one") });
  await eventually(() => caller.kinds.includes("textDelta"));
  const { turnId } = caller;
  const other = new Attached(b, { turnId });
  await eventually(() => other.kinds.includes("textDelta"));
  other.leave();
  may.open();
  await caller.ended;
  await counted(world, turnId, null);
  expect(a.statements().get("runner_attach")).toBeUndefined();
  expect(a.statements().get("runner_detach")).toBeUndefined();
  expect(b.statements().get("runner_detach")).toBeUndefined();
});
