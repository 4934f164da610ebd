import type { CanonicalKey } from "@lanekeeper/session-key";
import type { Query } from "../db.ts";

const IS_ONLY_BOUND = {
  name: "is_only_bound",
  text: `
    select from key_bindings b where b.tenant = $1 and b.session_key = $2
      and not exists (select from session_keys k where k.tenant = $1 and k.session_key = $2)
    limit 1`,
};

/** Whether names are bound to a key that has no row, since nobody has spoken under it yet. */
export async function isOnlyBound(
  query: Query,
  tenant: string,
  sessionKey: CanonicalKey,
): Promise<boolean> {
  return (await query.query(IS_ONLY_BOUND, [tenant, sessionKey])).rowCount > 0;
}
