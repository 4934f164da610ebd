import type { Queryable } from "@lanekeeper/postgres";
import type { Schedule, ScheduleRun } from "../schedule.ts";
import { COLUMNS, type ScheduleRow, scheduleOf } from "./rows.ts";

/** A schedule whose time has come, held under a lease. */
export interface Claim {
  readonly schedule: Schedule;
  readonly dueTime: Date;
  /** The database's. */
  readonly now: Date;
  /** Of all claims of one call. */
  readonly token: string;
}

/** How a claim ends. */
export interface Settlement {
  /** Undefined: nothing was run. */
  readonly run: Omit<ScheduleRun, "runTime"> | undefined;
  readonly missedTime: Date | undefined;
  readonly nextDueTime: Date;
}

type Sql = Pick<Queryable<unknown>, "query">;

/**
 * `now()` and not `clock_timestamp()` in the condition, which then can go by the index. SKIP LOCKED: two
 * replicas that ask at once share the work instead of waiting for each other.
 */
const CLAIM = {
  name: "claim_schedules",
  text: `
    UPDATE schedules s
    SET lease_token = $1, lease_until = clock_timestamp() + $2 * interval '1 millisecond'
    FROM (
      SELECT tenant, schedule_id FROM schedules
      WHERE next_due_time <= now() AND (lease_until IS NULL OR lease_until <= now())
      ORDER BY next_due_time LIMIT $3 FOR UPDATE SKIP LOCKED
    ) due
    WHERE s.tenant = due.tenant AND s.schedule_id = due.schedule_id
    RETURNING ${COLUMNS}, clock_timestamp() AS now`,
};

/** Takes schedules whose time has come; nobody else does so within the lease. */
export async function claim(
  db: Sql,
  { token, leaseMs, limit }: { token: string; leaseMs: number; limit: number },
): Promise<Claim[]> {
  const { rows } = await db.query<ScheduleRow & { now: Date }>(CLAIM, [token, leaseMs, limit]);
  return rows.flatMap((row) => {
    const schedule = scheduleOf(row);
    const { nextDueTime: dueTime } = schedule;
    return dueTime === undefined ? [] : [{ schedule, dueTime, now: row.now, token }];
  });
}

/** A due time that was changed meanwhile (paused, resumed, applied anew) is not touched. */
const SETTLE = {
  name: "settle_schedule",
  text: `
    UPDATE schedules SET
      lease_token = NULL, lease_until = NULL,
      next_due_time = CASE WHEN next_due_time = $4 THEN $5::timestamptz ELSE next_due_time END,
      last_missed_time = coalesce($6::timestamptz, last_missed_time),
      last_due_time = coalesce($7::timestamptz, last_due_time),
      last_run_time = CASE WHEN $7::timestamptz IS NULL THEN last_run_time ELSE clock_timestamp() END,
      last_turn_id = CASE WHEN $7::timestamptz IS NULL THEN last_turn_id ELSE $8 END,
      last_reason = CASE WHEN $7::timestamptz IS NULL THEN last_reason ELSE $9 END,
      last_error = CASE WHEN $7::timestamptz IS NULL THEN last_error ELSE $10 END
    WHERE tenant = $1 AND schedule_id = $2 AND lease_token = $3`,
};

/** Ends a claim, unless another replica has taken the schedule over: then that one ends it. */
export async function settle(db: Sql, claimed: Claim, settlement: Settlement): Promise<void> {
  const { schedule, dueTime, token } = claimed;
  const { run, missedTime, nextDueTime } = settlement;
  await db.query(SETTLE, [
    schedule.tenant,
    schedule.scheduleId,
    token,
    dueTime,
    nextDueTime,
    missedTime ?? null,
    run?.dueTime ?? null,
    run?.turnId ?? "",
    run?.reason ?? "",
    run?.errorMessage ?? "",
  ]);
}

const POSTPONE = {
  name: "postpone_schedule",
  text: `
    UPDATE schedules SET lease_until = clock_timestamp() + $4 * interval '1 millisecond'
    WHERE tenant = $1 AND schedule_id = $2 AND lease_token = $3`,
};

/** Leaves a claim to whoever comes first after `pauseMs`. */
export async function postpone(db: Sql, claimed: Claim, pauseMs: number): Promise<void> {
  const { schedule, token } = claimed;
  await db.query(POSTPONE, [schedule.tenant, schedule.scheduleId, token, pauseMs]);
}
