import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

test("a lane is told as it stood at one moment, whatever goes on in it meanwhile", async () => {
  await using world = await worlds.start();
  const [looking, going] = [gate(), gate()];
  const a = await world.replica();
  const b = await world.replica({
    beforeStatement: async (name) => {
      if (name !== "runner_list_queued") return;
      looking.open();
      await going.opened;
    },
  });
  await applyMain(a);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const first = new Attached(a, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const second = new Attached(a, { submit: turnFor(world, "two") });
  await eventually(() => second.kinds.includes("queued"));
  const told = b.client.getLane({ sessionKey: KEY });
  await looking.opened;
  held.open();
  await Promise.all([first.ended, second.ended]);
  going.open();
  const { lane } = await told;
  expect(lane?.activeTurn).toMatchObject({ turnId: first.turnId, state: TurnState.ACTIVE });
  expect(lane?.queuedTurns).toMatchObject([{ turnId: second.turnId, state: TurnState.QUEUED }]);
  expect(lane?.depth).toBe(1);
});
