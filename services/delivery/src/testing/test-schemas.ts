import { type LentSchema, lentSchemas, startThrowawayDatabase } from "@lanekeeper/postgres/testing";
import { MIGRATIONS } from "../start.ts";
import type { DeliveryDatabase } from "../store/sql.ts";

/** One throwaway database for a file's tests; each test has a schema to itself. */
export interface TestSchemas extends AsyncDisposable {
  /** An empty, migrated schema behind a pool. */
  open(): Promise<DeliveryDatabase>;
  /** Those that were opened are not used any more: to be called once what works on them has ended. */
  giveBack(): Promise<void>;
}

export async function startTestSchemas(): Promise<TestSchemas> {
  const database = await startThrowawayDatabase();
  const schemas = lentSchemas(database, { prefix: "test", migrations: MIGRATIONS });
  const lent: LentSchema[] = [];
  const giveBack = async () => {
    await Promise.all(lent.splice(0).map((schema) => schema.giveBack()));
  };
  return {
    open: async () => {
      const schema = await schemas.lend();
      lent.push(schema);
      return schema.open();
    },
    giveBack,
    [Symbol.asyncDispose]: async () => {
      await giveBack();
      await schemas[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}
