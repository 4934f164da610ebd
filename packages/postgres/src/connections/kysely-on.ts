import { Kysely, PostgresDialect, type PostgresPoolClient } from "kysely";
import type { Lease } from "./lease.ts";

/** A Kysely whose connections come from `acquire` and go back by their `release`. */
export function kyselyOn<Schema>(acquire: () => Promise<Lease>): Kysely<Schema> {
  const pool = {
    connect: async () => asClient(await acquire()),
    // Whoever made the pool closes it.
    end: async () => undefined,
  };
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
}

function asClient(connection: Lease): PostgresPoolClient {
  // Kysely asks for cursors only where a cursor class was configured, and none is.
  const query = (sql: string, parameters: readonly unknown[]) => connection.query(sql, parameters);
  return {
    query: query as PostgresPoolClient["query"],
    release: () => connection.release(),
  };
}
