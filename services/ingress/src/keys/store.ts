import type { Queryable } from "@lanekeeper/postgres";
import type { ApiKeyStore, KeyManager, KeyRotation, Rotated } from "./api-key.ts";
import { createKey, type KeyBoundsOfTenant } from "./create-key.ts";
import { apiKeyOf, IS_COVERED, IS_LIVE, KEY_COLUMNS, type KeyRow } from "./key-row.ts";

const LIST = `
  SELECT ${KEY_COLUMNS} FROM api_keys k
  WHERE ${IS_COVERED} AND ($4 OR (${IS_LIVE})) AND k.key_number > $5
  ORDER BY k.key_number LIMIT $6`;

/** A text that was valid until now; the one before it ends. */
const ROTATE = `
  UPDATE api_keys k SET
    key_hash = $5,
    previous_key_hash = CASE WHEN $6::float8 > 0 THEN k.key_hash END,
    previous_expire_time = CASE WHEN $6 > 0 THEN clock_timestamp() + $6 * interval '1 ms' END,
    rotate_time = clock_timestamp(),
    rotate_request_id = $7
  WHERE ${IS_COVERED} AND k.api_key_id = $4 AND ${IS_LIVE} AND k.rotate_request_id IS DISTINCT FROM $7
  RETURNING ${KEY_COLUMNS}`;

const READ = `
  SELECT ${KEY_COLUMNS}, coalesce(k.rotate_request_id = $5, false) AS is_repeat
  FROM api_keys k WHERE ${IS_COVERED} AND k.api_key_id = $4`;

const REVOKE = `
  UPDATE api_keys k SET revoke_time = coalesce(k.revoke_time, clock_timestamp())
  WHERE ${IS_COVERED} AND k.api_key_id = $4
  RETURNING ${KEY_COLUMNS}`;

type Db = Pick<Queryable<unknown>, "query">;

/** Keys in Postgres. */
export function apiKeyStore(db: Db, bounds: KeyBoundsOfTenant): ApiKeyStore {
  return {
    create: (manager, key) => createKey(db, bounds, manager, key),
    async list(manager, { includeEnded, afterNumber, limit }) {
      const values = [...covering(manager), includeEnded, afterNumber, limit];
      return (await db.query<KeyRow>(LIST, values)).rows.map(apiKeyOf);
    },
    rotate: (manager, rotation) => rotate(db, manager, rotation),
    async revoke(manager, apiKeyId) {
      const { rows } = await db.query<KeyRow>(REVOKE, [...covering(manager), apiKeyId]);
      return rows[0] && apiKeyOf(rows[0]);
    },
  };
}

/** The parameters of IS_COVERED. */
function covering({ tenant, agents, keyPrefixes }: KeyManager): unknown[] {
  return [tenant, agents, keyPrefixes];
}

async function rotate(db: Db, manager: KeyManager, rotation: KeyRotation): Promise<Rotated> {
  const { apiKeyId, keyHash, overlapMs, requestId } = rotation;
  const values = [...covering(manager), apiKeyId, keyHash, overlapMs, requestId];
  const { rows } = await db.query<KeyRow>(ROTATE, values);
  if (rows[0] !== undefined) return { kind: "rotated", apiKey: apiKeyOf(rows[0]) };
  const read = [...covering(manager), apiKeyId, requestId];
  const there = (await db.query<KeyRow & { readonly is_repeat: boolean }>(READ, read)).rows[0];
  if (there === undefined) return { kind: "none" };
  return there.is_repeat ? { kind: "repeat", apiKey: apiKeyOf(there) } : { kind: "ended" };
}
