import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { DatabaseUnavailableError } from "@lanekeeper/postgres";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { transcript } from "../testing/reading.ts";
import { endless } from "../testing/held-turn.ts";
import { applyMain, Attached, KEY, said, TENANT, turnFor, user } from "../testing/requests.ts";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { Replica, World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

// What was said to a turn stands in the transcript also where session-identity takes no ending of its run.
const worlds = testWorlds();

/** A turn whose replica died while its model answered, and whose key another run took and left. */
async function takenAway(world: World, dying: Replica) {
  const { behaviour } = world.model;
  world.model.behaviour = endless;
  // The first message of a conversation that was begun elsewhere.
  const messages = [user("before"), said(Role.ASSISTANT, "yes"), user("one")];
  const turn = new Attached(dying, { submit: turnFor(world, "one", { messages }) });
  await eventually(() => turn.kinds.includes("textDelta"));
  dying.kill();
  world.identity.takeAway(TENANT, KEY);
  world.model.behaviour = behaviour;
  return turn.turnId;
}

test.concurrent("of a turn that was cancelled while it was without a run", async () => {
  await using world = await worlds.start();
  const [dying, other] = [await world.replica(), await world.replica()];
  await applyMain(other);
  const turnId = await takenAway(world, dying);
  await other.client.cancelTurn({ turnId });
  await world.expireLeases();
  const ended = await new Attached(other, { turnId }).ended;
  expect(ended).toMatchObject({ state: TurnState.CANCELLED, errorReason: "TURN_CANCELLED" });
  expect(await transcript(other)).toEqual(["before", "yes", "one"]);
});

test.concurrent.each([
  ["interrupted", OnConflict.INTERRUPT, ["before", "yes", "one", "two", "echo: two"]],
  ["rolled back, and then it does not", OnConflict.ROLLBACK, ["two", "echo: two"]],
])("of one that was %s", async (_what, onConflict, told) => {
  await using world = await worlds.start();
  const [dying, other] = [await world.replica(), await world.replica()];
  await applyMain(other);
  const turnId = await takenAway(world, dying);
  const two = new Attached(other, { submit: turnFor(world, "two", { onConflict }) });
  await eventually(() => two.kinds.includes("accepted"));
  await world.expireLeases();
  expect((await two.ended).state).toBe(TurnState.COMPLETED);
  const ended = await new Attached(other, { turnId }).ended;
  expect(ended.state).toBe(TurnState.INTERRUPTED);
  expect(await transcript(other)).toEqual(told);
});

test.concurrent("of one that has had all its runs", async () => {
  await using world = await worlds.start();
  const [dying, other] = [await world.replica(), await world.replica()];
  await applyMain(other);
  const turnId = await takenAway(world, dying);
  await world.db.query("UPDATE turns SET run_count = $2 WHERE turn_id = $1", [
    turnId,
    LIMITS.runsPerTurn,
  ]);
  await world.expireLeases();
  const ended = await new Attached(other, { turnId }).ended;
  expect(ended).toMatchObject({ state: TurnState.FAILED, errorReason: "INTERNAL" });
  expect(await transcript(other)).toEqual(["before", "yes", "one"]);
});

test.concurrent("of one whose last run gives it back", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  // oxlint-disable-next-line require-yield
  world.model.behaviour = async function* () {
    throw new DatabaseUnavailableError("no connection within 5 s");
  };
  const ended = await new Attached(replica, { submit: turnFor(world, "one") }).ended;
  expect(ended).toMatchObject({ state: TurnState.FAILED, errorReason: "INTERNAL" });
  expect(await transcript(replica)).toEqual(["one"]);
});

test.concurrent("of one whose key was merged into another while it ran", async () => {
  await using world = await worlds.start();
  const replica = await world.replica({ leaseMs: 3_000 });
  await applyMain(replica);
  world.model.behaviour = endless;
  const turn = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => turn.kinds.includes("textDelta"));
  world.identity.move(TENANT, KEY, "agent:main:survivor");
  expect(await turn.ended).toMatchObject({
    state: TurnState.INTERRUPTED,
    errorReason: "TURN_INTERRUPTED",
  });
  expect(await transcript(replica)).toEqual(["one"]);
});
