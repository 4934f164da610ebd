import pg from "pg";
import { urlWithSearchPath, urlWithSettings, whereIs } from "./connection-url.ts";
import { DatabaseUnavailableError, sqlState } from "../errors.ts";
import { aboutSettings, marked, refuseLostSettings } from "./kept-settings.ts";
import { type Lease, lease } from "./lease.ts";
import { LIMITS } from "../limits.ts";
import { PoolClient } from "./pool-client.ts";
import { typeParsers } from "./type-parsers.ts";

export type PoolOptions = {
  url: string;
  /** How many connections at most. */
  poolSize: number;
  /** Shown in pg_stat_activity. */
  applicationName: string;
  /** The schema that unqualified names are looked up in; pg_catalog always comes first. */
  schema?: string;
  /** Default "planner". */
  plans?: Plans;
  /** Told, a line at a time, of connections lost while idle. */
  log: (line: string) => void;
  /** Default `LIMITS.statementTimeoutMs`. */
  statementTimeoutMs?: number;
  /** Default `LIMITS.acquireTimeoutMs`. */
  acquireTimeoutMs?: number;
};

/**
 * `planner`: as Postgres thinks fit. `look-ups`: for pools whose statements only look rows up by key.
 * They are planned once a connection, as nested look-ups in indexes, whatever the statistics say of
 * the tables. Left to itself Postgres plans each statement anew that takes arrays, because it
 * believes a plan for one element to be better than one for ten; that costs more than running it.
 */
export type Plans = "planner" | "look-ups";

/** https://www.postgresql.org/docs/current/runtime-config-query.html */
const LOOK_UPS = {
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
};

function urlOf({ url, schema, plans }: PoolOptions, statementTimeoutMs: number): string {
  const settings = marked({
    ...(plans === "look-ups" ? LOOK_UPS : {}),
    statement_timeout: String(statementTimeoutMs),
    idle_in_transaction_session_timeout: String(LIMITS.idleInTransactionTimeoutMs),
  });
  const set = urlWithSettings(url, settings);
  return schema === undefined ? set : urlWithSearchPath(set, [schema]);
}

export function makePool(options: PoolOptions): pg.Pool {
  const statementTimeoutMs = options.statementTimeoutMs ?? LIMITS.statementTimeoutMs;
  const pool = new pg.Pool({
    connectionString: urlOf(options, statementTimeoutMs),
    max: options.poolSize,
    application_name: options.applicationName,
    query_timeout: statementTimeoutMs + LIMITS.answerTimeoutMs - LIMITS.statementTimeoutMs,
    connectionTimeoutMillis: LIMITS.connectTimeoutMs,
    idleTimeoutMillis: LIMITS.idleConnectionMs,
    maxLifetimeSeconds: LIMITS.connectionLifetimeSeconds,
    keepAlive: true,
    keepAliveInitialDelayMillis: LIMITS.keepAliveDelayMs,
    types: typeParsers,
    // Statements that nobody waits between go to the server together.
    pipeline: true,
    Client: PoolClient as unknown as new () => pg.ClientBase,
    onConnect: refuseUnfit,
  });
  // An "error" event that nobody listens to ends the process. The pool listens for its idle connections
  // only; one that breaks while checked out also rejects its statement, which is told there.
  pool.on("error", (error) =>
    options.log(`an idle database connection was lost: ${error.message}`),
  );
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

function refuseUnfit(client: pg.ClientBase): Promise<void> {
  refuseStandby(client);
  return refuseLostSettings(client);
}

/**
 * A standby answers look-ups with what was, and refuses writes. Whoever is led to one, by a name or a
 * proxy that is late after a failover, comes again until it is led to the primary.
 */
function refuseStandby(client: pg.ClientBase): void {
  if (client instanceof PoolClient && client.isStandby)
    throw new Error("it is a standby, which takes no writes");
}

/** Checks a connection out within some time. Throws `DatabaseUnavailableError`, or what the server said. */
export async function acquire(pool: pg.Pool, url: string, withinMs: number): Promise<Lease> {
  try {
    return lease(await connected(pool, withinMs));
  } catch (cause) {
    if (sqlState(cause) !== undefined) throw aboutSettings(cause);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DatabaseUnavailableError(
      `no connection to the database at ${whereIs(url)}: ${reason}`,
      {
        cause,
      },
    );
  }
}

/** A connection that comes too late for who asked for it is the pool's, for the next one. */
async function connected(pool: pg.Pool, withinMs: number): Promise<pg.PoolClient> {
  const coming = pool.connect();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      coming.then((client) => client.release()).catch(() => undefined);
      reject(new Error(`none was free, and none was made, within ${withinMs} ms`));
    }, withinMs);
  });
  try {
    return await Promise.race([coming, late]);
  } finally {
    clearTimeout(timer);
  }
}
