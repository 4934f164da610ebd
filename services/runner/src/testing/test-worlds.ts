import type { EmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { afterAll, beforeAll } from "vitest";
import { startServer, World } from "./world.ts";

/** Worlds of a test file, each with a schema of its own, on one server that runs from its first test to its last. */
export interface TestWorlds {
  start(): Promise<World>;
}

export function testWorlds(): TestWorlds {
  let server: EmbeddedPostgres | undefined;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server?.stop());
  return {
    start: () => {
      if (server === undefined) throw new Error("worlds start in tests, and in hooks before them");
      return World.start(server);
    },
  };
}
