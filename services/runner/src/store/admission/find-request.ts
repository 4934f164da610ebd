import { LIMITS } from "../../limits.ts";
import { first, type Sql } from "../sql.ts";

/** A request that was accepted before. */
export interface KnownRequest {
  readonly turnId: string;
  readonly fingerprint: Uint8Array;
}

const FIND_REQUEST = {
  name: "runner_find_request",
  text: `
SELECT turn_id AS "turnId", fingerprint FROM idempotency
WHERE tenant = $1 AND principal = $2 AND key = $3`,
};

/** The request that was accepted under this key; undefined where none was. */
export function findRequest(
  sql: Sql,
  tenant: string,
  principal: string,
  key: string,
): Promise<KnownRequest | undefined> {
  return first(sql, FIND_REQUEST, [tenant, principal, key]);
}

const FIND_CUT_OFF = {
  name: "runner_find_cut_off",
  text: `
SELECT t.turn_id AS "turnId", i.fingerprint
FROM idempotency i JOIN turns t ON t.tenant = i.tenant AND t.turn_id = i.turn_id
WHERE i.tenant = $1 AND i.principal = $2 AND i.fingerprint = $3 AND i.is_generated AND t.caller_gone
  AND t.session_key IS NOT DISTINCT FROM $4
  AND (t.end_time IS NULL
    OR t.end_time > clock_timestamp() - ${LIMITS.retriesComeWithinMs} * interval '1 ms')
ORDER BY i.turn_id DESC LIMIT 1`,
};

/**
 * The last turn of the same session and content, without a key of the client's, whose caller was cut off; of
 * those that run or ended a while ago at most.
 */
export function findCutOff(
  sql: Sql,
  tenant: string,
  principal: string,
  fingerprint: Uint8Array,
  sessionKey: string | undefined,
): Promise<KnownRequest | undefined> {
  return first(sql, FIND_CUT_OFF, [tenant, principal, fingerprint, sessionKey ?? null]);
}

const JOIN_CUT_OFF = {
  name: "runner_join_cut_off",
  text: `
WITH known AS (
  INSERT INTO idempotency (tenant, principal, key, fingerprint, turn_id, is_generated, create_time)
  VALUES ($1, $2, $3, $4, $5, true, clock_timestamp())
  ON CONFLICT DO NOTHING
)
UPDATE turns SET caller_gone = false WHERE tenant = $1 AND turn_id = $5 AND caller_gone AND $6`,
};

/** A retry without a key of the client's has joined a turn. */
export interface Rejoined {
  readonly tenant: string;
  readonly principal: string;
  readonly idempotencyKey: string;
  readonly fingerprint: Uint8Array;
  readonly turnId: string;
  /** The caller is back, and may leave again. */
  readonly hasCaller: boolean;
}

/**
 * Its own key leads to the turn from now on: the call that brought it may break as the first one did, and is
 * made again.
 */
export async function joinCutOff(sql: Sql, one: Rejoined): Promise<void> {
  const { tenant, principal, idempotencyKey, fingerprint, turnId, hasCaller } = one;
  const params = [tenant, principal, idempotencyKey, fingerprint, turnId, hasCaller];
  await sql.query(JOIN_CUT_OFF, params);
}

const MARK_CALLER_GONE = {
  name: "runner_mark_caller_gone",
  text: `UPDATE turns SET caller_gone = true WHERE tenant = $1 AND turn_id = $2 AND NOT caller_gone`,
};

/** A caller left before it was told the end. */
export async function markCallerGone(sql: Sql, tenant: string, turnId: string): Promise<void> {
  await sql.query(MARK_CALLER_GONE, [tenant, turnId]);
}
