import type { KeyState } from "../../domain/key-state.ts";
import type { Query } from "../db.ts";
import { type KeyRow, stateOf } from "./key-row.ts";

export interface KeyName {
  readonly tenant: string;
  readonly sessionKey: string;
}

/**
 * LockRows stands above the sort, so rows are locked in key order; sorting the input would not do
 * that. A row that changed while this waited comes as it is now, but anything joined to it would come
 * from the snapshot before the wait: what commands need beside their row is a statement of its own.
 */
const LOCK_KEYS = {
  name: "lock_keys",
  text: `
    select k.* from session_keys k
    join unnest($1::text[], $2::text[]) as w(tenant, session_key)
      on k.tenant = w.tenant and k.session_key = w.session_key
    order by k.tenant, k.session_key
    for update of k`,
};

/** Locks rows until the transaction ends. Gives those that exist, by `nameOf`. */
export async function lockKeys(
  query: Query,
  keys: readonly KeyName[],
): Promise<ReadonlyMap<string, KeyState>> {
  const { rows } = await query.query<KeyRow>(LOCK_KEYS, [
    keys.map(({ tenant }) => tenant),
    keys.map(({ sessionKey }) => sessionKey),
  ]);
  return new Map(rows.map((row) => [nameOf(row.tenant, row.session_key), stateOf(row)]));
}

/** One text for a row's primary key: neither part holds a control character. */
export function nameOf(tenant: string, sessionKey: string): string {
  return `${tenant}\u0000${sessionKey}`;
}
