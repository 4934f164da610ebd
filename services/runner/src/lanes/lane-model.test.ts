import type { EmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { afterAll, beforeAll, test, vi } from "vitest";
import { startServer, World } from "../testing/world.ts";
import { keysOf } from "../testing/lane/keys.ts";
import { playLane } from "../testing/lane/play.ts";

// Each statement of both replicas waits for the scheduler, on a machine that has other work too.
vi.setConfig({ testTimeout: 240_000 });

let server: EmbeddedPostgres;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

test("whatever is done to a lane, in whatever order: every turn ends once, in order, and its callers are told", async () => {
  await using world = await World.start(server);
  await playLane(world, keysOf(world), 8);
});
