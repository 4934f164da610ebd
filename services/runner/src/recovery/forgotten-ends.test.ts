import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { transcript } from "../testing/reading.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { Replica } from "../testing/world.ts";

// The end of a turn is told before it is flushed: what a dying server loses of it is made good from what was prepared.
const worlds = testWorlds();

async function turnOf({ client }: Replica, turnId: string) {
  const { turn } = await client.getTurn({ turnId });
  return { state: turn?.state, reply: turn?.reply && textOf(turn.reply), runs: turn?.runs.length };
}

test.concurrent.each([
  ["the replica that ended it", false],
  ["another, where that one is gone", true],
])(
  "an end that was told, and that the database forgot, is carried through by %s",
  async (_who, isGone) => {
    await using world = await worlds.start();
    const replica = await world.replica({ forgets: "runner_finish_one" });
    await applyMain(replica);
    const one = new Attached(replica, { submit: turnFor(world, "one") });
    const told = await one.ended;
    expect(told.state).toBe(TurnState.COMPLETED);
    expect((await turnOf(replica, one.turnId)).state).toBe(TurnState.ACTIVE);
    if (isGone) replica.kill();
    const finder = isGone ? await world.replica() : replica;

    const two = new Attached(finder, { submit: turnFor(world, "two") });
    await eventually(() => two.kinds.includes("accepted"));
    await world.expireLeases();
    expect((await two.ended).state).toBe(TurnState.COMPLETED);
    const found = await turnOf(finder, one.turnId);
    expect(found).toEqual({
      ...{ state: TurnState.COMPLETED, runs: 1 },
      reply: told.reply && textOf(told.reply),
    });
    expect(await transcript(finder)).toEqual(["one", "echo: one", "two", "echo: two"]);
    expect(world.model.asked).toHaveLength(2);
  },
);

test.concurrent("who waited behind it goes on then", async () => {
  await using world = await worlds.start();
  const replica = await world.replica({ forgets: "runner_finish_one" });
  await applyMain(replica);
  const one = new Attached(replica, { submit: turnFor(world, "one") });
  const two = new Attached(replica, { submit: turnFor(world, "two") });
  await one.ended;
  await world.expireLeases();
  expect((await two.ended).state).toBe(TurnState.COMPLETED);
  expect(await transcript(replica)).toEqual(["one", "echo: one", "two", "echo: two"]);
  expect(world.model.asked).toHaveLength(2);
});
