import type { Database } from "@lanekeeper/postgres";

/**
 * The columns that the steps themselves need, with the indexes that they look up: a lane's waiting turns, a
 * session's messages, and the journal's four.
 */
const TABLES = `
DROP SCHEMA IF EXISTS least CASCADE;
CREATE SCHEMA least;
CREATE TABLE least.keys (key text PRIMARY KEY, session uuid NOT NULL, generation integer NOT NULL, run uuid,
  lease_until timestamptz) WITH (fillfactor = 50);
CREATE TABLE least.journal (entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL,
  turn uuid NOT NULL, run uuid NOT NULL, state text NOT NULL, request_id text NOT NULL, trace_id text NOT NULL,
  at timestamptz NOT NULL);
CREATE INDEX ON least.journal (key, entry);
CREATE INDEX ON least.journal (turn);
CREATE INDEX ON least.journal (request_id);
CREATE INDEX ON least.journal (trace_id);
CREATE TABLE least.lanes (key text PRIMARY KEY, last_seq bigint NOT NULL, depth integer NOT NULL, turn uuid, run uuid)
  WITH (fillfactor = 50);
CREATE TABLE least.turns (id uuid PRIMARY KEY, key text NOT NULL, session uuid NOT NULL, generation integer NOT NULL,
  seq bigint NOT NULL, state integer NOT NULL, run uuid, input text NOT NULL, reply text,
  accept_time timestamptz NOT NULL, begin_time timestamptz, end_time timestamptz) WITH (fillfactor = 50);
CREATE INDEX ON least.turns (key, seq) WHERE state < 3;
CREATE TABLE least.messages (session uuid NOT NULL, seq bigint NOT NULL, turn uuid NOT NULL, role integer NOT NULL,
  body text NOT NULL, PRIMARY KEY (session, seq));`;

/** Makes them anew, with the keys. */
export async function makeTables(db: Database<unknown>, keys: readonly string[]): Promise<void> {
  await db.query(TABLES);
  const values = "SELECT key, gen_random_uuid(), 1 FROM unnest($1::text[]) AS k (key)";
  await db.query(`INSERT INTO least.keys ${values}`, [keys]);
  await db.query("INSERT INTO least.lanes SELECT key, 0, 0 FROM unnest($1::text[]) AS k (key)", [
    keys,
  ]);
  await db.query("ANALYZE least.keys, least.lanes");
}
