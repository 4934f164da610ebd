import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { answersAtOnce, heldTurn } from "../testing/held-turn.ts";
import { transcript, turnOf } from "../testing/reading.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

test.concurrent("a reset under a run ends its turn as superseded, and the next one runs in the new generation", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const first = await heldTurn(world, replica);
  const second = new Attached(replica, { submit: turnFor(world, "two") });
  await eventually(() => second.kinds.includes("queued"));
  world.model.behaviour = answersAtOnce("here");
  const now = world.identity.rotate(TENANT, KEY);
  expect(await first.ended).toMatchObject({
    state: TurnState.SUPERSEDED,
    errorReason: "SUPERSEDED",
  });
  const ended = await second.ended;
  expect(ended.state).toBe(TurnState.COMPLETED);
  expect(ended.session?.generation).toBe(now.generation);
  expect(await transcript(replica)).toEqual(["two", "here"]);
  expect(world.model.shown(1)).toEqual(["user: two"]);
});

test.concurrent("queued turns that a rotation skips end as skipped", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const first = await heldTurn(world, replica);
  const second = new Attached(replica, { submit: turnFor(world, "two") });
  await eventually(() => second.kinds.includes("queued"));
  world.identity.rotate(TENANT, KEY, { skipsQueued: true });
  expect((await first.ended).state).toBe(TurnState.SUPERSEDED);
  expect(await second.ended).toMatchObject({
    state: TurnState.SKIPPED,
    errorReason: "TURN_SKIPPED",
  });
});

test.concurrent("a rotated run that died is ended as superseded by another replica", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  const first = await heldTurn(world, a);
  a.kill();
  await world.expireLeases();
  world.identity.rotate(TENANT, KEY);
  const reader = new Attached(b, { turnId: first.turnId });
  expect((await reader.ended).state).toBe(TurnState.SUPERSEDED);
  const { lane } = await b.client.getLane({ sessionKey: KEY });
  expect(lane).toMatchObject({ depth: 0 });
  expect(lane?.activeTurn).toBeUndefined();
});

test.concurrent("who waits behind a dead run that was rotated away does not wait for its lease", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  const first = await heldTurn(world, a);
  const second = new Attached(b, { submit: turnFor(world, "two") });
  await eventually(() => second.kinds.includes("queued"));
  a.kill();
  world.model.behaviour = answersAtOnce("held");
  world.identity.rotate(TENANT, KEY);
  expect((await second.ended).state).toBe(TurnState.COMPLETED);
  expect((await turnOf(b, first.turnId)).state).toBe(TurnState.SUPERSEDED);
});
