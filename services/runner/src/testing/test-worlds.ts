import {
  type LentSchemas,
  lentSchemas,
  startThrowawayDatabase,
} from "@lanekeeper/postgres/testing";
import type { ThrowawayDatabase } from "@lanekeeper/postgres/testing";
import { afterAll, beforeAll } from "vitest";
import { MIGRATIONS } from "../config.ts";
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
  let schemas: LentSchemas | undefined;
  beforeAll(async () => {
    database = await startThrowawayDatabase();
    schemas = schemasOfRunner(database);
  });
  afterAll(async () => {
    await schemas?.[Symbol.asyncDispose]();
    await database?.stop();
  });
  const start = async (): Promise<World> => {
    if (schemas === undefined) throw new Error("worlds start in tests, and in hooks before them");
    return World.start(await schemas.lend());
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

export function schemasOfRunner(database: ThrowawayDatabase): LentSchemas {
  return lentSchemas(database, { prefix: "runner", migrations: MIGRATIONS });
}
