import { startThrowawayPostgres } from "@lanekeeper/embedded-postgres";
import pg from "pg";
import { makeSchema } from "./make-schema.ts";

/** A database of a test file's own, empty at first. */
export interface ThrowawayDatabase extends AsyncDisposable {
  /** For the superuser. */
  readonly url: string;
  /** Makes a schema, and in it what the migrations of a folder make. */
  makeSchema(schema: string, migrations: string): Promise<void>;
  /** The superuser's statements, on one connection. */
  ask<Row extends object>(statements: string, params?: readonly unknown[]): Promise<Row[]>;
  /** Ends all connections to it, and removes it. */
  stop(): Promise<void>;
}

/**
 * Makes a database on a server that this process starts for the first of them and keeps: starting one takes ten times as
 * long as making a database. Roles and settings are the server's, so a test that changes those, or ends the
 * server, starts one of its own: `startThrowawayPostgres`.
 */
export async function startThrowawayDatabase(): Promise<ThrowawayDatabase> {
  const { admin, url: serverUrl } = await (server ??= startServer());
  count += 1;
  const name = `test_${count}`;
  await admin.query(`CREATE DATABASE ${name}`);
  const url = urlOf(serverUrl, name);
  const connection = oneConnection(url);
  let stopped: Promise<void> | undefined;
  const remove = async () => {
    await connection.end();
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
  };
  const stop = () => (stopped ??= remove());
  return {
    url,
    makeSchema: (schema, migrations) => makeSchema(connection, schema, migrations),
    ask: async <Row extends object>(statements: string, params?: readonly unknown[]) =>
      (await connection.query<Row>(statements, params === undefined ? undefined : [...params]))
        .rows,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface Server {
  readonly url: string;
  readonly admin: pg.Pool;
}

/** Nobody stops it: it ends with this process, however that ends. */
let server: Promise<Server> | undefined;
let count = 0;

async function startServer(): Promise<Server> {
  const { url } = await startThrowawayPostgres();
  return { url, admin: oneConnection(url) };
}

/** One that stays open, and for whose sake alone this process does not live on. Who comes meanwhile waits for it. */
function oneConnection(url: string): pg.Pool {
  const pool = new pg.Pool({
    ...{ connectionString: url, application_name: "test-databases" },
    ...{ max: 1, idleTimeoutMillis: 3_600_000, allowExitOnIdle: true },
  });
  // An "error" event that nobody listens to ends the process.
  pool.on("error", () => undefined);
  return pool;
}

function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}
