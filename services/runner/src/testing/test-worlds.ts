import { startThrowawayDatabase, type ThrowawayDatabase } from "@lanekeeper/postgres/testing";
import { afterAll, beforeAll } from "vitest";
import { applyMain } from "./requests.ts";
import { type Replica, World } from "./world.ts";

/** Worlds of a test file, each with a schema of its own, in one database that is there from its first test to its last. */
export interface TestWorlds {
  start(): Promise<World>;
  /** One with a replica, and the agent `main`. */
  withMain(): Promise<{ readonly world: World; readonly replica: Replica }>;
}

export function testWorlds(): TestWorlds {
  let database: ThrowawayDatabase | undefined;
  beforeAll(async () => {
    database = await startThrowawayDatabase();
  });
  afterAll(() => database?.stop());
  const start = (): Promise<World> => {
    if (database === undefined) throw new Error("worlds start in tests, and in hooks before them");
    return World.start(database);
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
