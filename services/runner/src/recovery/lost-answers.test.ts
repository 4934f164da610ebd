import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { storeUnavailable } from "@lanekeeper/rpc";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, type Submit, turnFor } from "../testing/requests.ts";
import { transcript } from "../testing/reading.ts";
import { turnsOf } from "../testing/subagents.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { Replica } from "../testing/world.ts";

// Leases are a minute: what waits for one to run out fails here.
const worlds = testWorlds();

/** As ingress does where it is told that the store cannot be asked. */
async function submitted({ client }: Replica, submit: Submit): Promise<string> {
  try {
    return (await client.submitTurn(submit)).turnId;
  } catch {
    return (await client.submitTurn(submit)).turnId;
  }
}

async function completed(replica: Replica, count: number): Promise<void> {
  await eventually(async () => {
    const turns = await turnsOf(replica, KEY);
    return turns.filter(({ state }) => state === TurnState.COMPLETED).length === count;
  });
}

async function runsOf({ client }: Replica, turnId: string): Promise<number> {
  const { turn } = await client.getTurn({ turnId });
  return turn?.runs.length ?? 0;
}

test.concurrent.each([
  ["admission", "runner_insert_lane_turns_one"],
  ["activation", "runner_activate_one"],
  ["ending", "runner_prepare_one"],
  ["end", "runner_finish_one"],
])(
  "a turn whose %s was stored, and the answer lost, goes on at once, with one run",
  async (_what, loses) => {
    await using world = await worlds.start();
    const replica = await world.replica({ loses });
    await applyMain(replica);
    const turnId = await submitted(replica, turnFor(world, "one"));
    await completed(replica, 1);
    expect(await runsOf(replica, turnId)).toBe(1);
    // The lane is free.
    await submitted(replica, turnFor(world, "two"));
    await completed(replica, 2);
  },
);

test.concurrent("so does one whose claim was, when its predecessor ended", async () => {
  await using world = await worlds.start();
  const replica = await world.replica({ loses: "runner_claim_head" });
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  await submitted(replica, turnFor(world, "one"));
  const turnId = await submitted(replica, turnFor(world, "two"));
  held.open();
  await completed(replica, 2);
  expect(await runsOf(replica, turnId)).toBe(1);
});

test.concurrent("so does one that a successor took over", async () => {
  await using world = await worlds.start();
  const [a, b] = [await world.replica(), await world.replica({ loses: "runner_take_over" })];
  await applyMain(a);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const turn = new Attached(a, { submit: turnFor(world, "one") });
  await eventually(() => turn.kinds.includes("textDelta"));
  a.kill();
  held.open();
  await world.expireLeases();
  await completed(b, 1);
  expect(await runsOf(b, turn.turnId)).toBe(2);
});

test.concurrent("so does one whose run session-identity began", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  let lost = 1;
  world.identity.beforeBeginAnswer = async () => {
    if (lost-- > 0) throw storeUnavailable("the answer is lost");
  };
  const turnId = await submitted(replica, turnFor(world, "one"));
  await completed(replica, 1);
  expect(await runsOf(replica, turnId)).toBe(1);
  expect(world.identity.granted.length).toBe(1);
});

test.concurrent("a message that was handed to a turn is shown to its model, though the answer that brought it was lost", async () => {
  await using world = await worlds.start();
  const replica = await world.replica({ loses: "runner_take_steers" });
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const host = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => host.kinds.includes("textDelta"));
  const steer = { onConflict: OnConflict.STEER };
  await replica.client.submitTurn(turnFor(world, "and two", steer));
  held.open();
  expect((await host.ended).state).toBe(TurnState.COMPLETED);
  expect(world.model.shown(1)).toEqual(["user: one", "assistant: held", "user: and two"]);
  expect(await transcript(replica)).toEqual(["one", "held", "and two", "held"]);
});
