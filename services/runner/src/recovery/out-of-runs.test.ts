import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { turnOf } from "../testing/reading.ts";
import { endless } from "../testing/held-turn.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

// A turn that has had all the runs that it may have.
const worlds = testWorlds();

test.concurrent("a turn that three processes died of fails", async () => {
  await using world = await worlds.start();
  world.model.behaviour = endless;
  const first = await world.replica();
  await applyMain(first);
  const { turnId } = await first.client.submitTurn(turnFor(world, "one"));
  let current = first;
  for (let runs = 1; runs <= 3; runs++) {
    await eventually(async () => (await turnOf(current, turnId)).runs.length === runs);
    const next = await world.replica();
    current.kill();
    await world.expireLeases();
    current = next;
  }
  await eventually(async () => (await turnOf(current, turnId)).state === TurnState.FAILED);
  expect((await turnOf(current, turnId)).runs.length).toBe(3);
});

test.concurrent("a turn that three runs gave back fails", async () => {
  await using world = await worlds.start();
  world.model.behaviour = endless;
  const replica = await world.replica({ leaseMs: 900 });
  await applyMain(replica);
  const attached = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => attached.kinds.includes("accepted"));
  for (let runs = 1; runs <= 3; runs++) {
    await eventually(async () => (await turnOf(replica, attached.turnId)).runs.length === runs);
    world.identity.isDown = true;
    const left = async () => (await turnOf(replica, attached.turnId)).state !== TurnState.ACTIVE;
    await eventually(left);
    world.identity.isDown = false;
  }
  const { state, errorReason, errorMessage } = await attached.ended;
  expect({ state, errorReason }).toEqual({ state: TurnState.FAILED, errorReason: "INTERNAL" });
  expect((await turnOf(replica, attached.turnId)).runs.length).toBe(3);
  const why = "session-identity renewed its lease no more in time";
  expect(errorMessage).toBe(
    `3 runs of the turn began and none of them ended; the last one: ${why}`,
  );
  const ends = replica.log.lines.filter(({ msg }) => msg === "run ended");
  expect(ends).toMatchObject([
    { level: "warn", exit: "requeued", because: why },
    { level: "warn", exit: "requeued", because: why },
    { level: "warn", exit: "committed", state: "FAILED", because: errorMessage },
  ]);
});

test.concurrent("the last run is not given up for its old hint while its lease lives", async () => {
  await using world = await worlds.start();
  const [living, other] = [await world.replica(), await world.replica()];
  await applyMain(living);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened, "here");
  const attached = new Attached(living, { submit: turnFor(world, "one") });
  await eventually(() => attached.kinds.includes("textDelta"));
  const { turnId } = attached;
  await world.db.query("UPDATE turns SET run_count = $2, renewed_at = 'epoch' WHERE turn_id = $1", [
    turnId,
    LIMITS.runsPerTurn,
  ]);
  await other.context.sweeper.sweepOnce();
  await eventually(() => world.identity.foundBusy.includes(turnId));
  expect((await turnOf(other, turnId)).state).toBe(TurnState.ACTIVE);
  held.open();
  expect((await attached.ended).state).toBe(TurnState.COMPLETED);
});
