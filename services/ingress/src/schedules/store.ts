import type { Database } from "@lanekeeper/postgres";
import type { Schedule } from "./schedule.ts";
import { find, list, pause, remove, resume } from "./store/change.ts";
import { type Claim, claim, postpone, type Settlement, settle } from "./store/claim.ts";
import {
  apply,
  type ApplyResult,
  create,
  type CreateResult,
  type NewSchedule,
  type PutOptions,
} from "./store/put.ts";

/** Where schedules are kept; each method is explained where it is made, in `store/`. */
export interface ScheduleStore {
  create(schedule: NewSchedule, options: PutOptions): Promise<CreateResult>;
  apply(schedules: readonly NewSchedule[], options: PutOptions): Promise<ApplyResult>;
  list(tenant: string): Promise<Schedule[]>;
  find(tenant: string, scheduleId: string): Promise<Schedule | undefined>;
  remove(tenant: string, scheduleId: string): Promise<boolean>;
  pause(tenant: string, scheduleId: string): Promise<Schedule | undefined>;
  resume(schedule: Schedule, nextDueTime: Date): Promise<Schedule | undefined>;
  claim(options: { token: string; leaseMs: number; limit: number }): Promise<Claim[]>;
  settle(claimed: Claim, settlement: Settlement): Promise<void>;
  postpone(claimed: Claim, pauseMs: number): Promise<void>;
}

/** Schedules in Postgres. */
export function scheduleStore(
  db: Pick<Database<unknown>, "query" | "transaction" | "kysely">,
): ScheduleStore {
  return {
    create: (schedule, options) => create(db, schedule, options),
    apply: (schedules, options) => apply(db, schedules, options),
    list: (tenant) => list(db, tenant),
    find: (tenant, scheduleId) => find(db, tenant, scheduleId),
    remove: (tenant, scheduleId) => remove(db, tenant, scheduleId),
    pause: (tenant, scheduleId) => pause(db, tenant, scheduleId),
    resume: (schedule, nextDueTime) => resume(db, schedule, nextDueTime),
    claim: (options) => claim(db, options),
    settle: (claimed, settlement) => settle(db, claimed, settlement),
    postpone: (claimed, pauseMs) => postpone(db, claimed, pauseMs),
  };
}
