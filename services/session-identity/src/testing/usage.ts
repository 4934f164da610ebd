import type { Query } from "../store/db.ts";

/** What the tenant holds of its quota. */
export async function usageOf(db: Query, tenant: string) {
  const { rows } = await db.query<{ readonly keys: number; readonly names: number }>(
    `select sum(key_count)::int as keys, sum(binding_count)::int as names
     from tenant_usage where tenant = $1`,
    [tenant],
  );
  return rows[0];
}
