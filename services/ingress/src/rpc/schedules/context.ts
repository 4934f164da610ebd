import type { AgentDirectory } from "../../agents/agent-directory.ts";
import { isUnavailable } from "@lanekeeper/postgres";
import { type Caller, notFound, storeUnavailable } from "@lanekeeper/rpc";
import type { Clock } from "@lanekeeper/service";
import { isKeyWithin } from "@lanekeeper/session-key";
import type { IngressLimits } from "../../limits.ts";
import type { RouteJudge } from "../require-route.ts";
import { type Schedule, type ScheduleName, sessionKeyOf } from "../../schedules/schedule.ts";
import type { TurnStarting } from "../../schedules/start-turn.ts";
import type { ScheduleStore } from "../../schedules/store.ts";

/** What the RPCs about schedules work with. */
export interface ScheduleRpcs extends TurnStarting {
  readonly store: Omit<ScheduleStore, "claim" | "settle" | "postpone">;
  readonly delivery: RouteJudge;
  readonly agents: AgentDirectory;
  readonly clock: Clock;
  readonly limits: Pick<
    IngressLimits,
    "maxSchedules" | "maxScheduleMessageBytes" | "scheduleAttemptMs"
  >;
}

/** Whether the key of its turns is one that the credential may reach. */
export function mayUse(caller: Caller, schedule: ScheduleName): boolean {
  return isKeyWithin(sessionKeyOf(schedule), caller);
}

/**
 * A schedule that the caller may touch. One that is out of its bounds is like one that never was.
 * @throws NOT_FOUND, STORE_UNAVAILABLE
 */
export async function requireSchedule(
  { store }: Pick<ScheduleRpcs, "store">,
  caller: Caller,
  scheduleId: string,
): Promise<Schedule> {
  const found = await reached(store.find(caller.tenant, scheduleId));
  if (found === undefined || !mayUse(caller, found)) throw notFound("schedule", scheduleId);
  return found;
}

/** @throws STORE_UNAVAILABLE where the database is away */
export async function reached<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    throw storeUnavailable("the tenant's schedules cannot be reached now; ask again", error);
  }
}
