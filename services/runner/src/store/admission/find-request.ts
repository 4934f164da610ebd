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
ORDER BY i.turn_id DESC LIMIT 1`,
};

/** The last turn of the same session and content, without a key of the client's, whose caller was cut off. */
export function findCutOff(
  sql: Sql,
  tenant: string,
  principal: string,
  fingerprint: Uint8Array,
  sessionKey: string | undefined,
): Promise<KnownRequest | undefined> {
  return first(sql, FIND_CUT_OFF, [tenant, principal, fingerprint, sessionKey ?? null]);
}

const MARK_CALLER_GONE = {
  name: "runner_mark_caller_gone",
  text: `UPDATE turns SET caller_gone = $3 WHERE tenant = $1 AND turn_id = $2 AND caller_gone <> $3`,
};

/** A caller left before it was told the end, or came back. */
export async function markCallerGone(
  sql: Sql,
  tenant: string,
  turnId: string,
  isGone: boolean,
): Promise<void> {
  await sql.query(MARK_CALLER_GONE, [tenant, turnId, isGone]);
}
