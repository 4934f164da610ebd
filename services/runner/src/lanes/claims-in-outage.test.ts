import { DatabaseUnavailableError } from "@lanekeeper/postgres";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import { TENANT } from "../testing/stored-turns.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

/** More than Node thinks right for one signal. */
const LANES = 24;

test("many claims that wait for the database are nothing that a line of Node's own warns of", async () => {
  await using world = await worlds.start();
  let isAway = true;
  let tried = 0;
  const replica = await world.replica({
    beforeStatement: async (name) => {
      if (name !== "runner_lock_lane") return;
      tried += 1;
      if (isAway) throw new DatabaseUnavailableError("no connection within 5 s");
    },
  });
  await applyMain(replica);
  const warned: string[] = [];
  const warn = ({ message }: Error): void => void warned.push(message);
  process.on("warning", warn);
  try {
    for (let lane = 0; lane < LANES; lane += 1) {
      replica.context.runner.pump(TENANT, `agent:main:${lane}`, true);
    }
    await eventually(() => tried >= LANES * 2);
    isAway = false;
    await new Attached(replica, { submit: turnFor(world, "hello") }).ended;
  } finally {
    process.off("warning", warn);
  }
  expect(warned).toEqual([]);
});
