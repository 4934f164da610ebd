import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { stateCode } from "../domain/turn-state.ts";
import { LIMITS } from "../limits.ts";
import { gate } from "../testing/gate.ts";
import { answersAtOnce, heldTurn } from "../testing/held-turn.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { transcript, turnOf } from "../testing/reading.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { Replica } from "../testing/world.ts";

const worlds = testWorlds();

/** Its drain has no time. */
async function shutDown(replica: Replica): Promise<void> {
  const timeUp = new AbortController();
  const drained = replica.drain(timeUp.signal);
  timeUp.abort();
  await drained;
}

test.concurrent("while session-identity is away a run goes on as long as its lease lives", async () => {
  await using world = await worlds.start();
  const replica = await world.replica({ leaseMs: 10_000 });
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const attached = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => attached.kinds.includes("textDelta"));
  world.identity.isDown = true;
  held.open();
  await eventually(async () => (await turnOf(replica, attached.turnId)).state === TurnState.ACTIVE);
  world.identity.isDown = false;
  expect((await attached.ended).state).toBe(TurnState.COMPLETED);
  expect(world.model.asked.length).toBe(1);
});

test.concurrent("a run whose lease ran out unseen goes back to its queue and is attempted again", async () => {
  await using world = await worlds.start();
  const replica = await world.replica({ leaseMs: 900 });
  await applyMain(replica);
  const attached = await heldTurn(world, replica);
  world.identity.isDown = true;
  await eventually(async () => (await turnOf(replica, attached.turnId)).state === TurnState.QUEUED);
  world.model.behaviour = answersAtOnce("here");
  world.identity.isDown = false;
  expect((await attached.ended).state).toBe(TurnState.COMPLETED);
  expect(await transcript(replica)).toEqual(["one", "here"]);
});

test.concurrent("a drained replica gives its turns back and another one answers them", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  const attached = await heldTurn(world, a);
  world.model.behaviour = answersAtOnce("here");
  await shutDown(a);
  const reader = new Attached(b, { turnId: attached.turnId });
  expect((await reader.ended).state).toBe(TurnState.COMPLETED);
  expect(world.identity.endings.map(({ outcome }) => outcome)).toEqual([
    RunOutcome.REQUEUED,
    RunOutcome.COMPLETED,
  ]);
});

test.concurrent("who attaches after a run was given back is told nothing of that one", async () => {
  await using world = await worlds.start();
  const [a, b, elsewhere] = [await world.replica(), await world.replica(), await world.replica()];
  await applyMain(a);
  const { turnId } = await heldTurn(world, a);
  const stored = "SELECT FROM turn_events WHERE turn_id = $1";
  await eventually(async () => (await world.db.query(stored, [turnId])).rows.length > 0);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened, "here");
  await shutDown(a);
  await eventually(async () => (await turnOf(b, turnId)).runs.length === 2);
  const readers = [b, elsewhere].map((replica) => new Attached(replica, { turnId }));
  for (const reader of readers) await eventually(() => reader.kinds.includes("textDelta"));
  held.open();
  for (const reader of readers) {
    expect((await reader.ended).state).toBe(TurnState.COMPLETED);
    expect(reader.kinds.filter((kind) => kind === "runBegun")).toHaveLength(1);
  }
});

test.concurrent("a new release that goes over more replicas than a turn has runs loses it to none of them", async () => {
  await using world = await worlds.start();
  let current = await world.replica();
  await applyMain(current);
  const { turnId } = await heldTurn(world, current);
  for (let drains = 1; drains <= LIMITS.runsPerTurn + 1; drains++) {
    if (drains > LIMITS.runsPerTurn) world.model.behaviour = answersAtOnce("here");
    const next = await world.replica();
    await shutDown(current);
    const begun = async () => (await turnOf(next, turnId)).runs.length === drains + 1;
    await eventually(begun);
    current = next;
  }
  const { ended } = new Attached(current, { turnId });
  expect((await ended).state).toBe(TurnState.COMPLETED);
});

test.concurrent("shutdowns that go on for ever end a turn, and it is told why", async () => {
  await using world = await worlds.start();
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  const { turnId } = await heldTurn(world, a);
  const { runsPerTurn, sparedRunsPerTurn } = LIMITS;
  const counts = "UPDATE turns SET run_count = $2, spared_runs = $3 WHERE turn_id = $1";
  const runs = runsPerTurn + sparedRunsPerTurn;
  await world.db.query(counts, [turnId, runs, sparedRunsPerTurn]);
  await shutDown(a);
  const { state, errorMessage } = await new Attached(b, { turnId }).ended;
  expect(state).toBe(TurnState.FAILED);
  expect(errorMessage).toContain("the last one: the replica is shutting down");
});

test.concurrent("what is shut down as a whole, more often than a turn has runs, loses it to none of them", async () => {
  await using world = await worlds.start();
  let current = await world.replica();
  await applyMain(current);
  const { turnId } = await heldTurn(world, current);
  for (let drains = 1; drains <= LIMITS.runsPerTurn + 1; drains++) {
    world.identity.isDown = true;
    await shutDown(current);
    await world.expireLeases();
    world.identity.isDown = false;
    if (drains > LIMITS.runsPerTurn) world.model.behaviour = answersAtOnce("here");
    const next = await world.replica();
    await eventually(async () => (await turnOf(next, turnId)).runs.length === drains + 1);
    current = next;
  }
  const { ended } = new Attached(current, { turnId });
  expect((await ended).state).toBe(TurnState.COMPLETED);
});

test.concurrent("a run whose activation the database lost when it died gives its turn back too, and it is answered", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  const attached = await heldTurn(world, a);
  const { turnId } = attached;
  // Nobody waits for that write to reach the disk.
  await world.db.transaction(async (sql) => {
    const claim = "UPDATE turns SET state = $2, run_count = 0 WHERE turn_id = $1";
    await sql.query(claim, [turnId, stateCode("QUEUED")]);
    await sql.query("DELETE FROM runs WHERE turn_id = $1", [turnId]);
  });
  world.model.behaviour = answersAtOnce("here");
  await shutDown(a);
  expect(await new Attached(b, { turnId }).ended).toMatchObject({ state: TurnState.COMPLETED });
  expect(await transcript(b)).toEqual(["one", "here"]);
});
