import type { Queryable } from "@lanekeeper/postgres";
import type { Created, KeyManager, NewApiKey } from "./api-key.ts";
import { apiKeyOf, IS_LIVE, KEY_COLUMNS, type KeyRow } from "./key-row.ts";

/** How many keys a tenant may have, and for how long those that ended are listed. */
export interface KeyBoundsOfTenant {
  readonly maxKeysPerTenant: number;
  readonly maxEndedKeysPerTenant: number;
  readonly endedKeyRetentionMs: number;
}

/** Rows grow by this call alone, so it also takes away what is past its time, or its number. */
const FORGET_ENDED = `
  DELETE FROM api_keys k WHERE k.tenant = $1 AND NOT (${IS_LIVE}) AND (
    least(k.revoke_time, k.expire_time) < clock_timestamp() - $2 * interval '1 ms'
    OR k.key_number <= (
      SELECT k.key_number FROM api_keys k WHERE k.tenant = $1 AND NOT (${IS_LIVE})
      ORDER BY k.key_number DESC OFFSET $3 LIMIT 1))`;

/** Calls that come at the same moment count one another not: the bound may be passed by a few. */
const CREATE = `
  INSERT INTO api_keys AS k (api_key_id, tenant, key_hash, scopes, agents, key_prefixes, label,
    requests_per_minute, burst, expire_time, create_principal, create_request_id, create_fingerprint)
  SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp() + $10 * interval '1 ms', $11, $12, $13
  WHERE (SELECT count(*) FROM api_keys k WHERE k.tenant = $2 AND ${IS_LIVE}) < $14
  ON CONFLICT (tenant, create_principal, create_request_id) WHERE create_request_id IS NOT NULL
  DO NOTHING
  RETURNING ${KEY_COLUMNS}`;

const READ_MADE = `
  SELECT ${KEY_COLUMNS}, k.create_fingerprint = $4 AS is_same FROM api_keys k
  WHERE k.tenant = $1 AND k.create_principal = $2 AND k.create_request_id = $3`;

/** Makes a key, once for each request id of its maker. */
export async function createKey(
  db: Pick<Queryable<unknown>, "query">,
  bounds: KeyBoundsOfTenant,
  manager: KeyManager,
  key: NewApiKey,
): Promise<Created> {
  const before = await readMade(db, manager, key);
  if (before !== undefined) return before;
  const { endedKeyRetentionMs, maxEndedKeysPerTenant } = bounds;
  await db.query(FORGET_ENDED, [manager.tenant, endedKeyRetentionMs, maxEndedKeysPerTenant]);
  const { rows } = await db.query<KeyRow>(CREATE, [
    ...[key.apiKeyId, manager.tenant, key.keyHash, key.scopes, key.agents, key.keyPrefixes],
    ...[key.label, key.rateLimit?.requestsPerMinute, key.rateLimit?.burst, key.lifetimeMs],
    ...[manager.principal, key.requestId, key.fingerprint, bounds.maxKeysPerTenant],
  ]);
  if (rows[0] !== undefined) return { kind: "made", apiKey: apiKeyOf(rows[0]) };
  // Another with the same id was quicker, or there is no room.
  return (
    (await readMade(db, manager, key)) ?? {
      kind: "quota",
      limit: bounds.maxKeysPerTenant,
    }
  );
}

async function readMade(
  db: Pick<Queryable<unknown>, "query">,
  { tenant, principal }: KeyManager,
  { requestId, fingerprint }: NewApiKey,
): Promise<Created | undefined> {
  const values = [tenant, principal, requestId, fingerprint];
  const { rows } = await db.query<KeyRow & { readonly is_same: boolean }>(READ_MADE, values);
  const row = rows[0];
  if (row === undefined) return undefined;
  return row.is_same ? { kind: "repeat", apiKey: apiKeyOf(row) } : { kind: "mismatch" };
}
