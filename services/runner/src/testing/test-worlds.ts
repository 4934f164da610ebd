import type { EmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { afterAll, beforeAll } from "vitest";
import { applyMain } from "./requests.ts";
import { type Replica, startServer, World } from "./world.ts";

/** Worlds of a test file, each with a schema of its own, on one server that runs from its first test to its last. */
export interface TestWorlds {
  start(): Promise<World>;
  /** One with a replica, and the agent `main`. */
  withMain(): Promise<{ readonly world: World; readonly replica: Replica }>;
}

export function testWorlds(): TestWorlds {
  let server: EmbeddedPostgres | undefined;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server?.stop());
  const start = (): Promise<World> => {
    if (server === undefined) throw new Error("worlds start in tests, and in hooks before them");
    return World.start(server);
  };
  return {
    start,
    withMain: async () => {
      const world = await start();
      const replica = await world.replica();
      await applyMain(replica);
      return { world, replica };
    },
  };
}
