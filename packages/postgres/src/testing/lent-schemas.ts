import { setTimeout as sleep } from "node:timers/promises";
import { createDatabase, type Database } from "../connections/database.ts";
import { parseSqlName, quoted } from "../schema/sql-name.ts";
import { RECORDS } from "../schema/migration-record.ts";
import type { ThrowawayDatabase } from "./throwaway-database.ts";

/** A schema that nobody else uses until it is given back: empty, but for the record of its migrations. */
export interface LentSchema {
  readonly url: string;
  readonly name: string;
  /** Connections of their own, as a replica has. What is under way is awaited when they are closed. */
  open<Schema>(): Database<Schema>;
  /** Others have been told where it is, who may come to it later: it is lent to nobody after this one. */
  spoil(): void;
  giveBack(): Promise<void>;
}

export interface LentSchemas extends AsyncDisposable {
  lend(): Promise<LentSchema>;
}

interface Place {
  readonly url: string;
  readonly name: string;
  /** Without work. */
  readonly pools: Database<unknown>[];
}

const POOL_SIZE = 4;
/** What was sent before its test ended has its answer by then. */
const QUIET_MS = 1_000;

/**
 * Schemas of a service for the tests of a file, one after the other. Making one takes as long as ten tests'
 * statements, and so do its connections: where a test is certain to have left nothing but rows, they are removed, and the
 * next test has its schema, with its connections.
 */
export function lentSchemas(
  database: ThrowawayDatabase,
  { prefix, migrations }: { readonly prefix: string; readonly migrations: string },
): LentSchemas {
  const free: Place[] = [];
  let count = 0;
  /** Of how many parts each of them was made. */
  let parts: number | undefined;
  const make = async (): Promise<Place> => {
    const name = `${prefix}_${++count}`;
    await database.makeSchema(name, migrations);
    if (parts === undefined) {
      const made = await lookAt(database, name);
      if (made.hasRows) throw new Error(`${migrations} stores rows, which would be removed`);
      ({ parts } = made);
    }
    return { url: database.url, name, pools: [] };
  };
  return {
    lend: async () => {
      const place = free.pop() ?? (await make());
      const takeBack = async (isLeft: boolean) => {
        if (isLeft && (await isEmptied(database, place.name, parts))) free.push(place);
        else await closeAll(place);
      };
      return new Loan(place, takeBack);
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(free.map(closeAll));
    },
  };
}

async function closeAll({ pools }: Place): Promise<void> {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
}

class Loan implements LentSchema {
  readonly url: string;
  readonly name: string;
  readonly #place: Place;
  readonly #takeBack: (isLeft: boolean) => Promise<void>;
  readonly #opened = new Set<Database<unknown>>();
  #isSpoilt = false;
  #isOver = false;

  constructor(place: Place, takeBack: (isLeft: boolean) => Promise<void>) {
    this.#place = place;
    this.#takeBack = takeBack;
    this.url = place.url;
    this.name = place.name;
  }

  open<Schema>(): Database<Schema> {
    const pool = this.#place.pools.pop() ?? openPool(this.#place);
    this.#opened.add(pool);
    let isClosed = false;
    const lent = (): Database<unknown> => {
      if (isClosed || this.#isOver) throw new Error("the test that used this database is over");
      return pool;
    };
    let closing: Promise<void> | undefined;
    const close = async () => {
      isClosed = true;
      await isQuiet(pool, Number.POSITIVE_INFINITY);
      // Unless the test was over before.
      if (this.#opened.delete(pool)) this.#place.pools.push(pool);
    };
    const database: Database<unknown> = {
      get kysely() {
        return lent().kysely;
      },
      query: async (statement, params) => lent().query(statement, params),
      transaction: async (work, options) => lent().transaction(work, options),
      stats: () => pool.stats(),
      close: () => (closing ??= close()),
      [Symbol.asyncDispose]: () => (closing ??= close()),
    };
    return database as Database<Schema>;
  }

  spoil(): void {
    this.#isSpoilt = true;
  }

  async giveBack(): Promise<void> {
    this.#isOver = true;
    const pools = [...this.#opened];
    this.#opened.clear();
    const areQuiet = await Promise.all(pools.map((pool) => isQuiet(pool, QUIET_MS)));
    const quiet = pools.filter((_, index) => areQuiet[index]);
    this.#place.pools.push(...quiet);
    // Of what is under way yet nobody knows what it will do; its connections end with the database.
    await this.#takeBack(!this.#isSpoilt && quiet.length === pools.length);
  }
}

function openPool({ url, name: schema }: Place): Database<unknown> {
  const log = (): void => undefined;
  return createDatabase({ url, schema, poolSize: POOL_SIZE, applicationName: schema, log });
}

async function isQuiet(pool: Database<unknown>, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const { total, idle, waiting } = pool.stats();
    if (total === idle && waiting === 0) return true;
    if (performance.now() > deadline) return false;
    await sleep(2);
  }
}

/** False, and nothing is removed, where there is more to undo than some rows. */
async function isEmptied(
  database: ThrowawayDatabase,
  schema: string,
  asMade: number | undefined,
): Promise<boolean> {
  const { tables, sequences, parts, isAltered } = await lookAt(database, schema);
  if (isAltered || parts !== asMade) return false;
  const name = quoted(parseSqlName(schema));
  await database.ask(
    [
      // Neither triggers nor foreign keys have a say.
      "SET LOCAL session_replication_role = replica",
      ...tables.map((table) => `DELETE FROM ${name}.${table}`),
      ...sequences.map((sequence) => `SELECT setval('${name}.${sequence}', 1, false)`),
    ].join(";"),
  );
  return true;
}

interface Look {
  readonly tables: readonly string[];
  readonly sequences: readonly string[];
  readonly parts: number;
  readonly hasRows: boolean;
  readonly isAltered: boolean;
}

async function lookAt(database: ThrowawayDatabase, schema: string): Promise<Look> {
  const [found] = await database.ask<Look>(LOOK, [schema]);
  if (found === undefined) throw new Error(`there is no schema ${schema}`);
  return found;
}

/** Some rows more, and the next test would read over them. */
const MAX_BYTES = 1_000_000;

/**
 * A schema was made by one transaction (`makeSchema`): what has been altered since is of another one. What was
 * analyzed is planned otherwise.
 */
const LOOK = `
  WITH made AS (SELECT oid, xmin FROM pg_namespace WHERE nspname = $1),
    relations AS (SELECT c.oid, c.xmin, c.relname, c.relkind FROM pg_class c, made WHERE relnamespace = made.oid),
    parts AS (
      SELECT xmin FROM relations
      UNION ALL SELECT a.xmin FROM pg_attribute a JOIN relations r ON a.attrelid = r.oid
      UNION ALL SELECT t.xmin FROM pg_trigger t JOIN relations r ON t.tgrelid = r.oid
      UNION ALL SELECT c.xmin FROM pg_constraint c, made WHERE c.connamespace = made.oid
      UNION ALL SELECT p.xmin FROM pg_proc p, made WHERE p.pronamespace = made.oid
    )
  SELECT
    (SELECT count(*)::int FROM parts) AS parts,
    EXISTS (SELECT FROM relations WHERE relkind = 'r' AND relname <> '${RECORDS}' AND pg_relation_size(oid) > 0) AS "hasRows",
    ARRAY(SELECT relname::text FROM relations WHERE relkind = 'r' AND relname <> '${RECORDS}') AS tables,
    ARRAY(SELECT relname::text FROM relations WHERE relkind = 'S') AS sequences,
    EXISTS (SELECT FROM parts, made WHERE parts.xmin <> made.xmin)
      OR EXISTS (SELECT FROM pg_statistic JOIN relations ON starelid = oid)
      OR (SELECT sum(pg_relation_size(oid)) FROM relations WHERE relkind = 'r') > ${MAX_BYTES} AS "isAltered"`;
