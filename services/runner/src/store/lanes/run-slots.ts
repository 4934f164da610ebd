import { rows, type RunnerDatabase, type Sql } from "../sql.ts";

/** What a replica holds, or is to hold, of one bound on concurrent runs. */
export interface HeldSlots {
  readonly tenant: string;
  /** An agent id; empty: the tenant. */
  readonly scope: string;
  readonly slots: number;
  readonly reclaims: number;
}

/** The same with the bound that it must fit into. */
export interface WantedSlots extends HeldSlots {
  readonly bound: number;
}

export interface SlotHolder {
  readonly replica: string;
  readonly leaseMs: number;
}

/** The upsert locks the scope; those of a tenant are locked in one order. */
const LOCK_SCOPE = {
  name: "runner_lock_run_scope",
  text: `
INSERT INTO run_scopes (tenant, scope) VALUES ($1, $2)
ON CONFLICT (tenant, scope) DO UPDATE SET scope = excluded.scope`,
};

/** A statement of its own after the locks: it sees what those before it took. */
const TAKE_SLOTS = {
  name: "runner_take_run_slots",
  text: `
WITH wanted AS (
  SELECT * FROM unnest($2::text[], $3::int[], $4::int[], $5::int[]) AS w (scope, slots, reclaims, bound)
), taken AS (
  SELECT w.scope FROM wanted w JOIN run_slots s ON s.tenant = $1 AND s.scope = w.scope
  WHERE s.expire_time > clock_timestamp()
  GROUP BY w.scope, w.bound
  HAVING sum(s.slots) + CASE WHEN $6 THEN 0 ELSE sum(s.reclaims) END >= w.bound
), held AS (
  INSERT INTO run_slots (tenant, scope, replica, slots, reclaims, expire_time)
  SELECT $1, w.scope, $7, w.slots, w.reclaims, clock_timestamp() + $8 * interval '1 ms'
  FROM wanted w WHERE NOT EXISTS (SELECT FROM taken)
  ON CONFLICT (tenant, scope, replica) DO UPDATE SET slots = excluded.slots,
    reclaims = excluded.reclaims, expire_time = excluded.expire_time
)
SELECT scope FROM taken`,
};

/**
 * Takes a slot of each scope, or of none. Gives the scopes that are full: of their bound, of the slots
 * of live replicas, and, for a run that is new, of those that runs which waited want again.
 */
export function takeSlots(
  db: RunnerDatabase,
  wanted: readonly WantedSlots[],
  { replica, leaseMs }: SlotHolder,
  isAgain: boolean,
): Promise<string[]> {
  const inOrder = wanted.toSorted((a, b) => (a.scope < b.scope ? -1 : 1));
  const tenant = inOrder[0]?.tenant ?? "";
  return db.transaction(async (sql) => {
    for (const { scope } of inOrder) await sql.query(LOCK_SCOPE, [tenant, scope]);
    const full = await rows<{ scope: string }>(sql, TAKE_SLOTS, [
      tenant,
      inOrder.map(({ scope }) => scope),
      inOrder.map(({ slots }) => slots),
      inOrder.map(({ reclaims }) => reclaims),
      inOrder.map(({ bound }) => bound),
      isAgain,
      replica,
      leaseMs,
    ]);
    return full.map(({ scope }) => scope);
  });
}

const WRITE_SLOTS = {
  name: "runner_write_run_slots",
  text: `
INSERT INTO run_slots (tenant, scope, replica, slots, reclaims, expire_time)
SELECT w.tenant, w.scope, $5, w.slots, w.reclaims, clock_timestamp() + $6 * interval '1 ms'
FROM unnest($1::text[], $2::text[], $3::int[], $4::int[]) AS w (tenant, scope, slots, reclaims)
ON CONFLICT (tenant, scope, replica) DO UPDATE SET slots = excluded.slots,
  reclaims = excluded.reclaims, expire_time = excluded.expire_time`,
};

/** Says what the replica holds, and that it lives. Never a difference: a repeat changes nothing. */
export async function writeSlots(
  sql: Sql,
  held: readonly HeldSlots[],
  { replica, leaseMs }: SlotHolder,
): Promise<void> {
  await sql.query(WRITE_SLOTS, [
    held.map(({ tenant }) => tenant),
    held.map(({ scope }) => scope),
    held.map(({ slots }) => slots),
    held.map(({ reclaims }) => reclaims),
    replica,
    leaseMs,
  ]);
}

/** Removes what replicas held that are gone for so long. */
export async function forgetSlots(sql: Sql, olderThanMs: number): Promise<void> {
  await sql.query(
    "DELETE FROM run_slots WHERE expire_time < clock_timestamp() - $1 * interval '1 ms'",
    [olderThanMs],
  );
}
