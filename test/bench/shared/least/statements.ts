import { type Batcher, createBatcher, createDatabase, type Database } from "@lanekeeper/postgres";

/** Calls of a moment in one statement, as the services have them; one of a key at a time where `keyOf` says so. */
export function grouped<In, Out>(
  run: (items: readonly In[]) => Promise<readonly Out[]>,
  keyOf?: (item: In) => string,
): Batcher<In, Out> {
  return createBatcher({
    run,
    ...(keyOf === undefined ? {} : { keyOf }),
    isOutage: () => true,
    maxBatch: 256,
    maxWaiting: 100_000,
    concurrency: 2,
  });
}

export function openDatabase(url: string, poolSize: number): Database<unknown> {
  const log = (message: string) => console.error(message);
  return createDatabase<unknown>({
    url,
    poolSize,
    plans: "look-ups",
    applicationName: "least",
    log,
  });
}
