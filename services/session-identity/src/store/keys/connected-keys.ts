import type { CanonicalKey } from "@lanekeeper/session-key";
import type { Query } from "../db.ts";

const CONNECTED_KEYS = {
  name: "connected_keys",
  text: `
    with asked as (
      select unnest($2::text[]) collate "C" as session_key
    ), base as (
      select session_key from asked
      union
      select coalesce(k.alias_of, k.moved_to) from session_keys k join asked a using (session_key)
      where k.tenant = $1 and coalesce(k.alias_of, k.moved_to) is not null
    )
    select session_key from base
    union
    select k.session_key from session_keys k join base b on k.alias_of = b.session_key where k.tenant = $1
    union
    select k.session_key from session_keys k join base b on k.moved_to = b.session_key where k.tenant = $1
    limit $3`,
};

/** Keys, where they lead, and what leads to either; at most `limit`. */
export async function connectedKeys(
  query: Query,
  tenant: string,
  keys: readonly CanonicalKey[],
  limit: number,
): Promise<readonly CanonicalKey[]> {
  const { rows } = await query.query<{ session_key: string }>(CONNECTED_KEYS, [
    tenant,
    keys,
    limit,
  ]);
  return rows.map(({ session_key: key }) => key as CanonicalKey);
}

/** Whether a session stands under one of the keys, or under what it leads to, as far as is committed. */
export async function anyStanding(
  query: Query,
  tenant: string,
  keys: readonly CanonicalKey[],
): Promise<boolean> {
  const { rowCount } = await query.query(
    `select from session_keys k
     left join session_keys t on t.tenant = k.tenant and t.session_key = coalesce(k.alias_of, k.moved_to)
     where k.tenant = $1 and k.session_key = any($2::text[])
       and (k.session_id is not null or t.session_id is not null)
     limit 1`,
    [tenant, keys],
  );
  return rowCount > 0;
}
