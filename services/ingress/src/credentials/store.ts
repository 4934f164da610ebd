import type { Queryable } from "@lanekeeper/postgres";
import { rateLimitOf } from "../rate-limits/rate-limit.ts";
import type { Credential } from "./credential.ts";

/** Where credentials are kept. */
export interface CredentialStore {
  /** The valid credential of this hash. */
  find(keyHash: Buffer): Promise<Credential | undefined>;
  /** Makes this key the one of its id. True: it was another one before. */
  put(credential: Credential, label: string): Promise<boolean>;
  /** When keys were last shown, by their id. What another replica is writing is left to it. */
  markUsed(uses: ReadonlyMap<string, Date>): Promise<void>;
}

interface Row {
  readonly api_key_id: string;
  readonly tenant: string;
  readonly key_hash: Buffer;
  readonly scopes: string[];
  readonly agents: string[];
  readonly key_prefixes: string[];
  readonly requests_per_minute: number | null;
  readonly burst: number | null;
  readonly key_requests_per_minute: number | null;
  readonly key_burst: number | null;
  readonly tenant_requests_per_minute: number | null;
  readonly tenant_burst: number | null;
}

/** With the limits of its tenant: what every request needs to know is one look-up. */
const FIND = {
  name: "find_api_key",
  text: `
    SELECT k.api_key_id, k.tenant, $1::bytea AS key_hash, k.scopes, k.agents, k.key_prefixes,
      k.requests_per_minute, k.burst, t.key_requests_per_minute, t.key_burst,
      t.requests_per_minute AS tenant_requests_per_minute, t.burst AS tenant_burst
    FROM api_keys k LEFT JOIN tenant_settings t ON t.tenant = k.tenant
    WHERE (k.key_hash = $1
        OR (k.previous_key_hash = $1 AND k.previous_expire_time > clock_timestamp()))
      AND k.revoke_time IS NULL
      AND (k.expire_time IS NULL OR k.expire_time > clock_timestamp())`,
};

/** The CTE sees the row as it was before, so `replaced` tells whether the hash changed. */
const PUT = `
  WITH before AS (SELECT key_hash FROM api_keys WHERE api_key_id = $1)
  INSERT INTO api_keys (api_key_id, tenant, key_hash, scopes, agents, key_prefixes, label)
  VALUES ($1, $2, $3, $4, $5, $6, $7)
  ON CONFLICT (api_key_id) DO UPDATE
    SET key_hash = EXCLUDED.key_hash, scopes = EXCLUDED.scopes
  RETURNING coalesce((SELECT key_hash FROM before) <> $3, false) AS replaced`;

/** SKIP LOCKED: two replicas that flush at once wait for nobody, and cannot deadlock. */
const MARK_USED = `
  WITH used AS (SELECT * FROM unnest($1::text[], $2::timestamptz[]) AS u (api_key_id, use_time)),
  due AS (
    SELECT k.api_key_id, used.use_time FROM api_keys k JOIN used USING (api_key_id)
    WHERE k.last_use_time IS NULL OR k.last_use_time < used.use_time
    FOR NO KEY UPDATE OF k SKIP LOCKED)
  UPDATE api_keys k SET last_use_time = due.use_time FROM due WHERE k.api_key_id = due.api_key_id`;

/** Credentials in Postgres. */
export function credentialStore(db: Pick<Queryable<unknown>, "query">): CredentialStore {
  return {
    async find(keyHash) {
      const { rows } = await db.query<Row>(FIND, [keyHash]);
      return rows[0] === undefined ? undefined : credentialOf(rows[0]);
    },
    async put({ principal, tenant, keyHash, scopes, agents, keyPrefixes }, label) {
      const values = [principal, tenant, keyHash, scopes, agents, keyPrefixes, label];
      const { rows } = await db.query<{ replaced: boolean }>(PUT, values);
      return rows[0]?.replaced ?? false;
    },
    async markUsed(uses) {
      await db.query(MARK_USED, [[...uses.keys()], [...uses.values()]]);
    },
  };
}

function credentialOf(row: Row): Credential {
  return {
    principal: row.api_key_id,
    tenant: row.tenant,
    keyHash: row.key_hash,
    scopes: row.scopes,
    agents: row.agents,
    keyPrefixes: row.key_prefixes,
    rateLimit:
      rateLimitOf(row.requests_per_minute, row.burst) ??
      rateLimitOf(row.key_requests_per_minute, row.key_burst),
    tenantRateLimit: rateLimitOf(row.tenant_requests_per_minute, row.tenant_burst),
  };
}
