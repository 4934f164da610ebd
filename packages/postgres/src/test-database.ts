import { type EmbeddedPostgres, startThrowawayPostgres } from "@lanekeeper/embedded-postgres";
import { type Database, createDatabase } from "./connections/database.ts";
import type { PoolOptions } from "./connections/pool.ts";

/** Starting a server takes half a second on an idle machine; tests run beside others. */
export const TEST_TIMEOUT_MS = 60_000;

export const startTestServer = (): Promise<EmbeddedPostgres> => startThrowawayPostgres();

/** A database of the test server, quiet unless told otherwise. */
export function testDatabase<Schema = Record<string, never>>(
  options: Partial<PoolOptions> & { url: string },
): Database<Schema> {
  return createDatabase<Schema>({
    poolSize: 4,
    applicationName: "test",
    log: () => undefined,
    ...options,
  });
}

/** A promise and the function that resolves it, to hold a step until the test lets it go. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => undefined as void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
