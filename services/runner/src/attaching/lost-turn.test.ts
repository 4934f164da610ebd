import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { end } from "../testing/model-double.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

test("who waits for a turn that a failover has lost is told that there is none: it was an internal error, as if that were a bug of ours", async () => {
  await using world = await worlds.start();
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  const held = gate();
  world.model.behaviour = async function* () {
    await held.opened;
    yield end();
  };
  const { turnId } = await a.client.submitTurn(turnFor(world, "hello"));
  const reader = new Attached(b, { turnId });
  await eventually(() => reader.kinds.includes("runBegun"));
  // A standby that had not received it is promoted.
  await world.db.query("DELETE FROM turns WHERE turn_id = $1", [turnId]);
  await expect(reader.ended).rejects.toMatchObject({
    reason: "NOT_FOUND",
    metadata: expect.objectContaining({ resource_type: "turn", resource_name: turnId }),
  });
  held.open();
});
