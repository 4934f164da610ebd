import { type AbortState, createBatcher, isUnavailable } from "@lanekeeper/postgres";
import { storeError } from "./engine/engine.ts";
import { LIMITS } from "./limits.ts";
import type { Query } from "./store/db.ts";
import { type KeyFound, type KeyWanted, readKeys } from "./store/keys/read-keys.ts";
import { type NameFound, type NameWanted, readNames } from "./store/names/read-names.ts";

/** The reads on the path of every turn; those that arrive together share a statement. */
export interface Reads {
  name(wanted: NameWanted, abort?: AbortState): Promise<NameFound>;
  key(wanted: KeyWanted, abort?: AbortState): Promise<KeyFound>;
  close(): Promise<void>;
}

export function createReads(query: Query): Reads {
  const names = readBatcher<NameWanted, NameFound>((wanted) => readNames(query, wanted));
  const keys = readBatcher<KeyWanted, KeyFound>((wanted) => readKeys(query, wanted));
  return {
    name: (wanted, signal) => ask(names.submit(wanted, { signal })),
    key: (wanted, signal) => ask(keys.submit(wanted, { signal })),
    close: async () => {
      await Promise.all([names.close(), keys.close()]);
    },
  };
}

function readBatcher<In, Out>(run: (batch: readonly In[]) => Promise<readonly Out[]>) {
  return createBatcher<In, Out>({
    run,
    isOutage: isUnavailable,
    maxBatch: LIMITS.maxReadBatch,
    maxWaiting: LIMITS.maxWaiting,
    concurrency: LIMITS.readConcurrency,
  });
}

async function ask<Out>(answer: Promise<Out>): Promise<Out> {
  try {
    return await answer;
  } catch (error) {
    throw storeError(error);
  }
}
