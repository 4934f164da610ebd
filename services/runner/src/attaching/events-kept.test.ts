import { DatabaseUnavailableError } from "@lanekeeper/postgres";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { end } from "../testing/model-double.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

test("what was said while the database was away reaches who is attached elsewhere, in its place", async () => {
  await using world = await worlds.start();
  let isAway = false;
  const beforeStatement = async (): Promise<void> => {
    if (isAway) throw new DatabaseUnavailableError("no connection within 5 s");
  };
  const [a, b] = [await world.replica({ beforeStatement }), await world.replica()];
  await applyMain(b);
  const [first, second] = [gate(), gate()];
  world.model.behaviour = async function* () {
    await first.opened;
    yield { type: "text", text: "one " };
    await second.opened;
    yield { type: "text", text: "two" };
    yield end();
  };
  const { turnId } = await a.client.submitTurn(turnFor(world, "hello"));
  const reader = new Attached(b, { turnId });
  await eventually(() => reader.kinds.includes("runBegun"));
  const stored = () => a.statements().get("runner_append_events_one") ?? 0;
  const before = stored();
  isAway = true;
  first.open();
  await eventually(() => stored() > before);
  isAway = false;
  second.open();
  await reader.ended;
  expect(reader.text).toBe("one two");
});
