import type { Query } from "../../store/db.ts";

export interface StoredKey {
  readonly session_key: string;
  readonly session_id: string;
  readonly generation: number;
  readonly run_epoch: number;
  readonly revision: number;
  readonly active_run_id: string | null;
  readonly active_begin_generation: number | null;
  readonly oldest_runnable_generation: number;
  readonly oldest_deliverable_generation: number;
}

export interface StoredGeneration {
  readonly session_key: string;
  readonly generation: number;
  readonly session_id: string;
}

/** What a tenant has in the database, as it is committed. */
export interface Stored {
  readonly keys: readonly StoredKey[];
  /** In order of key and generation. */
  readonly generations: readonly StoredGeneration[];
  readonly replies: Readonly<Record<string, string>>;
  /** Of every row that is no journal: equal while nothing changed. */
  readonly digest: string;
}

const TABLES = [
  ...["session_keys", "generations", "runs", "lifecycle_events", "replies", "requests"],
  ...["key_bindings", "session_changes"],
];

const DIGESTS = TABLES.map(
  (table) =>
    `(select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from ${table} t where tenant = $1)`,
);

const STORED = {
  name: "test_stored",
  text: `
    select
      coalesce((select json_agg(k) from session_keys k where tenant = $1), '[]') as keys,
      coalesce((select json_agg(g order by session_key, generation) from generations g
        where tenant = $1), '[]') as generations,
      coalesce((select json_object_agg(delivery_id, state) from replies where tenant = $1), '{}') as replies,
      ${DIGESTS.join(" || ")} as digest`,
};

export async function readStored(query: Query, tenant: string): Promise<Stored> {
  const { rows } = await query.query<Stored>(STORED, [tenant]);
  const [stored] = rows;
  if (stored === undefined) throw new Error("a select without a table has a row");
  return stored;
}
