import type pg from "pg";
import { whereIs } from "./connection-url.ts";
import { DatabaseUnavailableError, sqlState } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { PoolClient } from "./pool-client.ts";

/**
 * Runs `work` on one connection outside any pool, without a statement timeout, and closes it: for what
 * an operator asks for. Throws `DatabaseUnavailableError`, or what the server said.
 */
export async function withClient<Result>(
  url: string,
  applicationName: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new PoolClient({
    connectionString: url,
    application_name: applicationName,
    connectionTimeoutMillis: LIMITS.acquireTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: LIMITS.keepAliveDelayMs,
  });
  // The statement that is under way rejects too; without a listener the event would end the process.
  client.on("error", () => undefined);
  try {
    await connect(client, url);
    return await work(client);
  } finally {
    await client.end();
  }
}

async function connect(client: pg.Client, url: string): Promise<void> {
  try {
    await client.connect();
  } catch (cause) {
    if (sqlState(cause) !== undefined) throw cause;
    throw new DatabaseUnavailableError(
      `no connection to the database at ${whereIs(url)}: ${(cause as Error).message}`,
      { cause },
    );
  }
}
