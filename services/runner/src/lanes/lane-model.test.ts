import { test, vi } from "vitest";
import { testWorlds } from "../testing/test-worlds.ts";
import { keysOf } from "../testing/lane/keys.ts";
import { playLane } from "../testing/lane/play.ts";

// Each statement of both replicas waits for the scheduler, on a machine that has other work too.
vi.setConfig({ testTimeout: 240_000 });

const worlds = testWorlds();

test("whatever is done to a lane, in whatever order: every turn ends once, in order, and its callers are told", async () => {
  await using world = await worlds.start();
  await playLane(world, keysOf(world), 8);
});
