import type { Database } from "@lanekeeper/postgres";

/**
 * The columns that the steps themselves need. The journal has the indexes by which it is searched (key, reply,
 * request, trace); a reply's state and its key's row are what the fence stands on.
 */
const TABLES = `
DROP SCHEMA IF EXISTS least CASCADE;
CREATE SCHEMA least;
CREATE TABLE least.keys (key text PRIMARY KEY, oldest integer NOT NULL);
CREATE TABLE least.replies (id uuid PRIMARY KEY, key text NOT NULL, generation integer NOT NULL, state text NOT NULL);
CREATE TABLE least.journal (entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL,
  reply uuid NOT NULL, state text NOT NULL, request_id text NOT NULL, trace_id text NOT NULL, at timestamptz NOT NULL);
CREATE INDEX ON least.journal (key, entry);
CREATE INDEX ON least.journal (reply);
CREATE INDEX ON least.journal (request_id);
CREATE INDEX ON least.journal (trace_id);
CREATE TABLE least.deliveries (id uuid PRIMARY KEY, seq bigint GENERATED ALWAYS AS IDENTITY, route text NOT NULL,
  key text NOT NULL, generation integer NOT NULL, body text NOT NULL, state integer NOT NULL DEFAULT 0,
  lease_until timestamptz, create_time timestamptz NOT NULL, end_time timestamptz);
CREATE INDEX ON least.deliveries (route, seq) WHERE state = 0;`;

/** Makes them anew, with the keys. */
export async function makeTables(db: Database<unknown>, keys: readonly string[]): Promise<void> {
  await db.query(TABLES);
  await db.query("INSERT INTO least.keys SELECT key, 1 FROM unnest($1::text[]) AS k (key)", [keys]);
}
