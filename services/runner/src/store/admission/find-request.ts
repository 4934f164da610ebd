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
SELECT i.turn_id AS "turnId", i.fingerprint
FROM idempotency i LEFT JOIN turns t ON t.tenant = i.tenant AND t.turn_id = i.turn_id
WHERE i.tenant = $1 AND i.principal = $2 AND i.fingerprint = $3 AND i.is_generated
  AND (t.caller_gone AND t.session_key IS NOT DISTINCT FROM $4 OR t.turn_id IS NULL)
  AND (t.turn_id IS NOT NULL AND t.end_time IS NULL
    OR coalesce(t.end_time, i.create_time) > clock_timestamp() - ${LIMITS.retriesComeWithinMs} * interval '1 ms')
  AND ($5::float8 IS NULL
    OR coalesce(t.accept_time, i.create_time) >= clock_timestamp() - $5 * interval '1 ms')
  AND NOT EXISTS (
    SELECT FROM idempotency j JOIN turns later ON later.tenant = j.tenant AND later.turn_id = j.turn_id
    WHERE j.tenant = $1 AND j.principal = $2 AND j.fingerprint = $3 AND j.is_generated
      AND later.session_key IS NOT DISTINCT FROM $4
      AND later.accept_time > CASE WHEN t.turn_id IS NULL THEN i.create_time ELSE t.caller_gone_time END)
ORDER BY i.turn_id DESC LIMIT 1`,
};

/** What a turn says, where its client shows no key. */
export interface Said {
  readonly tenant: string;
  readonly principal: string;
  readonly fingerprint: Uint8Array;
  /** Undefined: stateless. */
  readonly sessionKey: string | undefined;
}

/**
 * The last turn that says the same and whose caller was cut off; of those that run or ended a while ago at most.
 * Where the same was accepted anew after that, a retry is of what was asked then; and of what was asked so long
 * ago at most, if that is known. Of requests whose turn was erased those are left here whose caller was cut off.
 */
export function findCutOff(
  sql: Sql,
  { tenant, principal, fingerprint, sessionKey }: Said,
  firstTryAgeMs: number | undefined,
): Promise<KnownRequest | undefined> {
  const params = [tenant, principal, fingerprint, sessionKey ?? null, firstTryAgeMs ?? null];
  return first(sql, FIND_CUT_OFF, params);
}

const FORGET_CUT_OFF = {
  name: "runner_forget_cut_off",
  text: `
WITH erased AS (
  UPDATE idempotency i SET is_generated = false
  WHERE i.tenant = $1 AND i.principal = $2 AND i.fingerprint = $3 AND i.is_generated
    AND NOT EXISTS (SELECT FROM turns t WHERE t.tenant = i.tenant AND t.turn_id = i.turn_id)
)
UPDATE turns t SET caller_gone = false FROM idempotency i
WHERE i.tenant = $1 AND i.principal = $2 AND i.fingerprint = $3 AND i.is_generated
  AND t.tenant = i.tenant AND t.turn_id = i.turn_id AND t.caller_gone
  AND t.session_key IS NOT DISTINCT FROM $4`,
};

/** The same was asked anew, and refused: a retry is of that, and of no turn. */
export async function forgetCutOff(
  sql: Sql,
  { tenant, principal, fingerprint, sessionKey }: Said,
): Promise<void> {
  await sql.query(FORGET_CUT_OFF, [tenant, principal, fingerprint, sessionKey ?? null]);
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
  text: `
UPDATE turns SET caller_gone = true, caller_gone_time = clock_timestamp()
WHERE tenant = $1 AND turn_id = $2 AND NOT caller_gone`,
};

/** A caller left before it was told the end. */
export async function markCallerGone(sql: Sql, tenant: string, turnId: string): Promise<void> {
  await sql.query(MARK_CALLER_GONE, [tenant, turnId]);
}
