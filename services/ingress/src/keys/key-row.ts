import { rateLimitOf } from "../rate-limits/rate-limit.ts";
import type { ApiKey } from "./api-key.ts";

export interface KeyRow {
  readonly api_key_id: string;
  readonly key_number: bigint;
  readonly label: string;
  readonly scopes: string[];
  readonly agents: string[];
  readonly key_prefixes: string[];
  readonly requests_per_minute: number | null;
  readonly burst: number | null;
  readonly create_principal: string;
  readonly create_time: Date;
  readonly expire_time: Date | null;
  readonly rotate_time: Date | null;
  readonly overlap_until: Date | null;
  readonly revoke_time: Date | null;
  readonly last_use_time: Date | null;
}

/** Selects a KeyRow; hashes stay in the database. */
export const KEY_COLUMNS = `k.api_key_id, k.key_number, k.label, k.scopes, k.agents, k.key_prefixes,
  k.requests_per_minute, k.burst, k.create_principal, k.create_time, k.expire_time, k.rotate_time,
  CASE WHEN k.previous_expire_time > clock_timestamp() THEN k.previous_expire_time END AS overlap_until,
  k.revoke_time, k.last_use_time`;

/** The key is valid now. */
export const IS_LIVE = `k.revoke_time IS NULL
  AND (k.expire_time IS NULL OR k.expire_time > clock_timestamp())`;

/**
 * The key is bound to nothing that its manager ($1 tenant, $2 agents, $3 prefixes) may not reach. What
 * is bound to nothing is covered by who is bound to nothing alone.
 */
export const IS_COVERED = `k.tenant = $1
  AND (cardinality($2::text[]) = 0 OR (k.agents <> '{}' AND k.agents <@ $2::text[]))
  AND (cardinality($3::text[]) = 0 OR (k.key_prefixes <> '{}' AND NOT EXISTS (
    SELECT FROM unnest(k.key_prefixes) AS own WHERE NOT EXISTS (
      SELECT FROM unnest($3::text[]) AS allowed WHERE starts_with(own, allowed)))))`;

export function apiKeyOf(row: KeyRow): ApiKey {
  return {
    apiKeyId: row.api_key_id,
    keyNumber: row.key_number,
    label: row.label,
    scopes: row.scopes,
    agents: row.agents,
    keyPrefixes: row.key_prefixes,
    rateLimit: rateLimitOf(row.requests_per_minute, row.burst),
    createPrincipal: row.create_principal,
    createTime: row.create_time,
    expireTime: row.expire_time ?? undefined,
    rotateTime: row.rotate_time ?? undefined,
    previousExpireTime: row.overlap_until ?? undefined,
    revokeTime: row.revoke_time ?? undefined,
    lastUseTime: row.last_use_time ?? undefined,
  };
}
