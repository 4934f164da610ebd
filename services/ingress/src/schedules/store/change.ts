import type { Queryable } from "@lanekeeper/postgres";
import type { Schedule } from "../schedule.ts";
import { COLUMNS, type ScheduleRow, scheduleOf } from "./rows.ts";

type Sql = Pick<Queryable<unknown>, "query">;

/** A tenant's schedules, by id. */
export async function list(db: Sql, tenant: string): Promise<Schedule[]> {
  const text = `SELECT ${COLUMNS} FROM schedules s WHERE s.tenant = $1 ORDER BY s.schedule_id`;
  const { rows } = await db.query<ScheduleRow>(text, [tenant]);
  return rows.map(scheduleOf);
}

export async function find(
  db: Sql,
  tenant: string,
  scheduleId: string,
): Promise<Schedule | undefined> {
  const text = `SELECT ${COLUMNS} FROM schedules s WHERE s.tenant = $1 AND s.schedule_id = $2`;
  const { rows } = await db.query<ScheduleRow>(text, [tenant, scheduleId]);
  return rows[0] && scheduleOf(rows[0]);
}

/** One of the configuration is left. Resolves to whether it is gone. */
export async function remove(db: Sql, tenant: string, scheduleId: string): Promise<boolean> {
  const text = `DELETE FROM schedules WHERE tenant = $1 AND schedule_id = $2 AND NOT from_config`;
  const { rowCount } = await db.query(text, [tenant, scheduleId]);
  return rowCount > 0;
}

/** Stops its clock. */
export async function pause(
  db: Sql,
  tenant: string,
  scheduleId: string,
): Promise<Schedule | undefined> {
  const text = `
    UPDATE schedules s SET is_paused = true, next_due_time = NULL
    WHERE s.tenant = $1 AND s.schedule_id = $2 RETURNING ${COLUMNS}`;
  const { rows } = await db.query<ScheduleRow>(text, [tenant, scheduleId]);
  return rows[0] && scheduleOf(rows[0]);
}

/** Lets its clock go on at `nextDueTime`; one that goes already is left as it is. */
export async function resume(
  db: Sql,
  { tenant, scheduleId, cron, timeZone }: Schedule,
  nextDueTime: Date,
): Promise<Schedule | undefined> {
  const text = `
    UPDATE schedules s SET is_paused = false, next_due_time = coalesce(s.next_due_time, $5)
    WHERE s.tenant = $1 AND s.schedule_id = $2 AND s.cron = $3 AND s.time_zone = $4
    RETURNING ${COLUMNS}`;
  const values = [tenant, scheduleId, cron, timeZone, nextDueTime];
  const { rows } = await db.query<ScheduleRow>(text, values);
  return rows[0] && scheduleOf(rows[0]);
}
