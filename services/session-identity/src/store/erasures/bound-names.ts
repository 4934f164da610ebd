import type { CanonicalKey } from "@lanekeeper/session-key";
import type { Erasure } from "../../domain/erasure.ts";
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

const IS_BOUND_SINCE = {
  name: "is_bound_since",
  text: `
    select from key_bindings b where b.tenant = $1 and b.session_key = $2 and b.first_seen_time > $3
    limit 1`,
};

/** Whether a name was bound to the key after its erasure began: somebody means to use it. */
export async function isBoundSince(
  query: Query,
  { tenant, createMs }: Erasure,
  sessionKey: CanonicalKey,
): Promise<boolean> {
  const params = [tenant, sessionKey, new Date(createMs)];
  return (await query.query(IS_BOUND_SINCE, params)).rowCount > 0;
}
