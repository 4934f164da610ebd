import { isDeepStrictEqual } from "node:util";
import type { Database, Transaction } from "@lanekeeper/postgres";
import type { Schedule, ScheduleSpec } from "../schedule.ts";
import { find, list } from "./change.ts";

/** A schedule to be stored. */
export interface NewSchedule {
  readonly spec: ScheduleSpec;
  /** Where its clock begins. */
  readonly nextDueTime: Date;
}

/** For whom, and how many a tenant may have. */
export interface PutOptions {
  readonly tenant: string;
  readonly principal: string;
  readonly maxSchedules: number;
}

export type CreateResult =
  | { readonly kind: "stored"; readonly schedule: Schedule }
  /** The id stands for other content, or is the configuration's. */
  | { readonly kind: "taken" }
  | { readonly kind: "full" };

export type ApplyResult =
  | {
      readonly kind: "applied";
      readonly created: number;
      readonly changed: number;
      readonly deleted: number;
    }
  | { readonly kind: "full" };

type Db = Pick<Database<unknown>, "transaction">;

/** Stores a schedule under its id, once; the same again changes nothing. */
export function create(
  db: Db,
  { spec, nextDueTime }: NewSchedule,
  options: PutOptions,
): Promise<CreateResult> {
  return db.transaction(async (sql) => {
    await lockTenant(sql, options.tenant);
    const known = await find(sql, options.tenant, spec.scheduleId);
    if (known !== undefined) {
      const isSame = !known.fromConfig && isDeepStrictEqual(specOf(known), spec);
      return isSame ? { kind: "stored", schedule: known } : { kind: "taken" };
    }
    if ((await count(sql, options.tenant)) >= options.maxSchedules) return { kind: "full" };
    await write(sql, { spec, nextDueTime }, { ...options, fromConfig: false });
    const schedule = await find(sql, options.tenant, spec.scheduleId);
    if (schedule === undefined) throw new Error("a schedule was stored and is not there");
    return { kind: "stored", schedule };
  });
}

class Full extends Error {
  override readonly name = "Full";
}

/** Makes the configuration's schedules these, in one step. */
export async function apply(
  db: Db,
  schedules: readonly NewSchedule[],
  options: PutOptions,
): Promise<ApplyResult> {
  try {
    return await db.transaction((sql) => applyIn(sql, schedules, options));
  } catch (error) {
    if (error instanceof Full) return { kind: "full" };
    throw error;
  }
}

async function applyIn(
  sql: Transaction<unknown>,
  schedules: readonly NewSchedule[],
  options: PutOptions,
): Promise<ApplyResult> {
  await lockTenant(sql, options.tenant);
  const known = new Map((await list(sql, options.tenant)).map((one) => [one.scheduleId, one]));
  const ids = schedules.map(({ spec }) => spec.scheduleId);
  const text = `DELETE FROM schedules WHERE tenant = $1 AND from_config AND schedule_id <> ALL ($2)`;
  const { rowCount: deleted } = await sql.query(text, [options.tenant, ids]);
  let changed = 0;
  let created = 0;
  for (const schedule of schedules) {
    const before = known.get(schedule.spec.scheduleId);
    if (before?.fromConfig && isDeepStrictEqual(specOf(before), schedule.spec)) continue;
    await write(sql, schedule, { ...options, fromConfig: true });
    if (before === undefined) created += 1;
    else changed += 1;
  }
  if ((await count(sql, options.tenant)) > options.maxSchedules) throw new Full();
  return { kind: "applied", created, changed, deleted };
}

/** A clock that goes by the same times goes on; another begins anew, unless it is paused. */
const WRITE = `
  INSERT INTO schedules AS s (tenant, schedule_id, agent_id, cron, time_zone, message, on_conflict,
    route_id, from_config, principal, next_due_time)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
  ON CONFLICT (tenant, schedule_id) DO UPDATE SET
    agent_id = EXCLUDED.agent_id, cron = EXCLUDED.cron, time_zone = EXCLUDED.time_zone,
    message = EXCLUDED.message, on_conflict = EXCLUDED.on_conflict, route_id = EXCLUDED.route_id,
    from_config = EXCLUDED.from_config, principal = EXCLUDED.principal,
    next_due_time = CASE
      WHEN s.is_paused OR (s.cron, s.time_zone) = (EXCLUDED.cron, EXCLUDED.time_zone)
      THEN s.next_due_time ELSE EXCLUDED.next_due_time END`;

async function write(
  sql: Transaction<unknown>,
  { spec, nextDueTime }: NewSchedule,
  { tenant, principal, fromConfig }: PutOptions & { readonly fromConfig: boolean },
): Promise<void> {
  const { scheduleId, agentId, cron, timeZone, message, onConflict, routeId } = spec;
  const what = [scheduleId, agentId, cron, timeZone, message, onConflict, routeId];
  await sql.query(WRITE, [tenant, ...what, fromConfig, principal, nextDueTime]);
}

function specOf(schedule: Schedule): ScheduleSpec {
  const { scheduleId, agentId, cron, timeZone, message, onConflict, routeId } = schedule;
  return { scheduleId, agentId, cron, timeZone, message, onConflict, routeId };
}

async function count(sql: Transaction<unknown>, tenant: string): Promise<number> {
  const text = "SELECT count(*)::int AS n FROM schedules WHERE tenant = $1";
  const { rows } = await sql.query<{ n: number }>(text, [tenant]);
  return rows[0]?.n ?? 0;
}

/** Changes of one tenant's set come one after the other, so that its bound holds. Off any hot path. */
async function lockTenant(sql: Transaction<unknown>, tenant: string): Promise<void> {
  const text = "SELECT pg_advisory_xact_lock(hashtext('lanekeeper.schedules'), hashtext($1))";
  await sql.query(text, [tenant]);
}
