import type { AgentDirectory } from "../../agents/agent-directory.ts";
import { isUnavailable } from "@lanekeeper/postgres";
import { type Caller, notFound, permissionDenied, storeUnavailable } from "@lanekeeper/rpc";
import type { Clock } from "@lanekeeper/service";
import type { IngressLimits } from "../../limits.ts";
import type { Schedule } from "../../schedules/schedule.ts";
import type { TurnStarting } from "../../schedules/start-turn.ts";
import type { ScheduleStore } from "../../schedules/store.ts";

/** What the RPCs about schedules work with. */
export interface ScheduleRpcs extends TurnStarting {
  readonly store: Omit<ScheduleStore, "claim" | "settle" | "postpone">;
  readonly agents: Pick<AgentDirectory, "require" | "requireDefault">;
  readonly clock: Clock;
  readonly limits: Pick<
    IngressLimits,
    "maxSchedules" | "maxScheduleMessageBytes" | "scheduleAttemptMs"
  >;
}

/** Whether the credential is bound to agents, this one not among them. */
export function mayUse({ agents }: Caller, { agentId }: Pick<Schedule, "agentId">): boolean {
  return agents.length === 0 || agents.includes(agentId);
}

/** A schedule that the caller may touch. @throws NOT_FOUND, PERMISSION_DENIED, STORE_UNAVAILABLE */
export async function requireSchedule(
  { store }: Pick<ScheduleRpcs, "store">,
  caller: Caller,
  scheduleId: string,
): Promise<Schedule> {
  const found = await reached(store.find(caller.tenant, scheduleId));
  if (found === undefined) throw notFound("schedule", scheduleId);
  if (mayUse(caller, found)) return found;
  const { agentId } = found;
  throw permissionDenied(`the credential may not use the agent ${agentId}`, { agent: agentId });
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
