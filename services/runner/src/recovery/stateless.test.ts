import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { heldTurn } from "../testing/held-turn.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { turnOf } from "../testing/reading.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

const STATELESS = { case: "statelessAgentId" as const, value: "main" };

test.concurrent("a turn without a session fails with the process that ran it", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  const lost = await heldTurn(world, a, { target: STATELESS });
  a.kill();
  await world.expireLeases();
  const reader = new Attached(b, { turnId: lost.turnId });
  expect(await reader.ended).toMatchObject({ state: TurnState.FAILED, errorReason: "INTERNAL" });
});

test.concurrent("a process that was taken for dead tells nobody an answer of a turn without a session that has failed", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const attached = new Attached(a, { submit: turnFor(world, "one", { target: STATELESS }) });
  await eventually(() => attached.kinds.includes("textDelta"));
  await world.expireLeases();
  await b.context.sweeper.sweepOnce();
  held.open();
  expect(await attached.ended).toMatchObject({ state: TurnState.FAILED, errorReason: "INTERNAL" });
  expect((await turnOf(b, attached.turnId)).state).toBe(TurnState.FAILED);
});
