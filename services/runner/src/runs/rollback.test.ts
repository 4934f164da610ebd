import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { echo } from "../testing/model-double.ts";
import { transcript } from "../testing/reading.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import type { Replica } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

/** A turn that runs at `a`, and ends only when it may, whoever stops it. */
async function started() {
  const world = await worlds.start();
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  const mayEnd = gate();
  world.model.behaviour = async function* ({ signal }) {
    yield { type: "text", text: "he" };
    await mayEnd.opened;
    throw signal.reason;
  };
  const active = new Attached(a, { submit: turnFor(world, "active") });
  await eventually(() => active.kinds.includes("textDelta"));
  world.model.behaviour = echo;
  const submit = async (replica: Replica, text: string, onConflict: OnConflict) => {
    const { turnId } = await replica.client.submitTurn(turnFor(world, text, { onConflict }));
    return new Attached(replica, { turnId });
  };
  return { world, a, b, active, mayEnd, submit };
}

test.concurrent.each([
  ["the replica of its run", (at: { a: Replica; b: Replica }) => at.a],
  ["another replica", (at: { a: Replica; b: Replica }) => at.b],
])(
  "a turn that an interrupt is still ending is rolled back by who says so at %s",
  async (_, at) => {
    const { world, a, b, active, mayEnd, submit } = await started();
    await using _world = world;
    const interrupts = await submit(a, "interrupts", OnConflict.INTERRUPT);
    const rollsBack = await submit(at({ a, b }), "rolls back", OnConflict.ROLLBACK);
    mayEnd.open();
    expect(await active.ended).toMatchObject({ state: TurnState.INTERRUPTED });
    expect(await interrupts.ended).toMatchObject({ state: TurnState.INTERRUPTED });
    expect(await rollsBack.ended).toMatchObject({ state: TurnState.COMPLETED });
    expect(await transcript(a)).toEqual(["rolls back", "echo: rolls back"]);
  },
);

test.concurrent("so is what its interrupter has interrupted before it", async () => {
  const { world, a, active, mayEnd, submit } = await started();
  await using _world = world;
  const first = await submit(a, "first", OnConflict.INTERRUPT);
  const second = await submit(a, "second", OnConflict.INTERRUPT);
  const rollsBack = await submit(a, "rolls back", OnConflict.ROLLBACK);
  mayEnd.open();
  const states = await Promise.all(
    [active, first, second].map(async (one) => (await one.ended).state),
  );
  expect(states).toEqual(Array.from({ length: 3 }, () => TurnState.INTERRUPTED));
  await rollsBack.ended;
  expect(await transcript(a)).toEqual(["rolls back", "echo: rolls back"]);
});

test.concurrent("an interrupt behind a rollback takes nothing of it back, nor does a rollback of a cancelled turn", async () => {
  const { world, a, active, mayEnd, submit } = await started();
  await using _world = world;
  await a.client.cancelTurn({ turnId: active.turnId });
  const rollsBack = await submit(a, "rolls back", OnConflict.ROLLBACK);
  const interrupts = await submit(a, "interrupts", OnConflict.INTERRUPT);
  const last = await submit(a, "last", OnConflict.ROLLBACK);
  const after = await submit(a, "after", OnConflict.INTERRUPT);
  mayEnd.open();
  expect(await active.ended).toMatchObject({ state: TurnState.CANCELLED });
  for (const one of [rollsBack, interrupts, last]) {
    expect(await one.ended).toMatchObject({ state: TurnState.INTERRUPTED });
  }
  await after.ended;
  expect(await transcript(a)).toEqual(["active", "last", "after", "echo: after"]);
});

test.concurrent("and a turn whose replica died over its ending", async () => {
  const { world, a, b, active, mayEnd, submit } = await started();
  await using _world = world;
  const interrupts = await submit(b, "interrupts", OnConflict.INTERRUPT);
  a.kill();
  const rollsBack = await submit(b, "rolls back", OnConflict.ROLLBACK);
  await world.expireLeases();
  expect(await rollsBack.ended).toMatchObject({ state: TurnState.COMPLETED });
  expect(await interrupts.ended).toMatchObject({ state: TurnState.INTERRUPTED });
  expect(await transcript(b)).toEqual(["rolls back", "echo: rolls back"]);
  const { turn } = await b.client.getTurn({ turnId: active.turnId });
  expect(turn?.state).toBe(TurnState.INTERRUPTED);
  mayEnd.open();
});
