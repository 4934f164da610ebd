import type { Schedule, ScheduleConflict, ScheduleRun } from "../schedule.ts";

/** Every column that a schedule is told by, for SELECT and RETURNING. */
export const COLUMNS = `
  s.tenant, s.schedule_id, s.agent_id, s.cron, s.time_zone, s.message, s.on_conflict, s.route_id,
  s.from_config, s.is_paused, s.principal, s.create_time, s.next_due_time, s.last_due_time,
  s.last_run_time, s.last_turn_id, s.last_reason, s.last_error, s.last_missed_time`;

/** A row as it is read by COLUMNS. */
export interface ScheduleRow {
  readonly tenant: string;
  readonly schedule_id: string;
  readonly agent_id: string;
  readonly cron: string;
  readonly time_zone: string;
  readonly message: string;
  readonly on_conflict: ScheduleConflict;
  readonly route_id: string;
  readonly from_config: boolean;
  readonly is_paused: boolean;
  readonly principal: string;
  readonly create_time: Date;
  readonly next_due_time: Date | null;
  readonly last_due_time: Date | null;
  readonly last_run_time: Date | null;
  readonly last_turn_id: string;
  readonly last_reason: string;
  readonly last_error: string;
  readonly last_missed_time: Date | null;
}

export function scheduleOf(row: ScheduleRow): Schedule {
  return {
    tenant: row.tenant,
    scheduleId: row.schedule_id,
    agentId: row.agent_id,
    cron: row.cron,
    timeZone: row.time_zone,
    message: row.message,
    onConflict: row.on_conflict,
    routeId: row.route_id,
    fromConfig: row.from_config,
    isPaused: row.is_paused,
    principal: row.principal,
    createTime: row.create_time,
    nextDueTime: row.next_due_time ?? undefined,
    lastRun: runOf(row),
    lastMissedTime: row.last_missed_time ?? undefined,
  };
}

function runOf(row: ScheduleRow): ScheduleRun | undefined {
  const { last_due_time: dueTime, last_run_time: runTime } = row;
  if (dueTime === null || runTime === null) return;
  const { last_turn_id: turnId, last_reason: reason, last_error: errorMessage } = row;
  return { dueTime, runTime, turnId, reason, errorMessage };
}
