import { first, rows, type Sql } from "../sql.ts";
import { isOpen } from "../state-in.ts";

/** A key that was minted for a subagent. */
export interface MintedKey {
  readonly tenant: string;
  readonly sessionKey: string;
}

const NOTE = {
  name: "runner_note_minted_key",
  text: `
INSERT INTO minted_keys (tenant, session_key, look_time)
VALUES ($1, $2, clock_timestamp() + $3 * interval '1 ms')
ON CONFLICT DO NOTHING`,
};

/** In the transaction that admits its first turn. It is looked at after so many ms. */
export async function noteMintedKey(
  sql: Sql,
  { tenant, sessionKey }: MintedKey,
  lookInMs: number,
): Promise<void> {
  await sql.query(NOTE, [tenant, sessionKey, lookInMs]);
}

const TAKE_DUE = {
  name: "runner_take_due_minted_keys",
  text: `
UPDATE minted_keys SET look_time = clock_timestamp() + $2 * interval '1 ms'
WHERE (tenant, session_key) IN (
  SELECT tenant, session_key FROM minted_keys WHERE look_time < clock_timestamp()
  ORDER BY look_time LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING tenant, session_key AS "sessionKey"`,
};

/** Those that are to be looked at, the longest due first; whoever takes them, they are due again after so many ms. */
export function takeDueMintedKeys(
  sql: Sql,
  limit: number,
  againInMs: number,
): Promise<MintedKey[]> {
  return rows(sql, TAKE_DUE, [limit, againInMs]);
}

/**
 * A turn that is being admitted holds the lane, or leaves it held or waiting: then it stays, and is looked at
 * again. What was said there stays by its own retention.
 */
const FORGET = {
  name: "runner_forget_minted_key",
  text: `
WITH lane AS (
  DELETE FROM lanes l WHERE tenant = $1 AND session_key = $2 AND holder_run_id IS NULL AND depth = 0
    AND NOT EXISTS (SELECT FROM turns t
      WHERE t.tenant = l.tenant AND t.session_key = l.session_key AND ${isOpen("t")})
    AND NOT EXISTS (SELECT FROM outbox o WHERE o.tenant = l.tenant AND o.session_key = l.session_key)
  RETURNING tenant
)
DELETE FROM minted_keys WHERE tenant = $1 AND session_key = $2 AND (EXISTS (SELECT FROM lane)
  OR NOT EXISTS (SELECT FROM lanes WHERE tenant = $1 AND session_key = $2))
RETURNING tenant`,
};

/** Removes the lane of a key that has gone, with the note of it. False: something of it is under way. */
export async function forgetMintedKey(
  sql: Sql,
  { tenant, sessionKey }: MintedKey,
): Promise<boolean> {
  return (await first(sql, FORGET, [tenant, sessionKey])) !== undefined;
}
