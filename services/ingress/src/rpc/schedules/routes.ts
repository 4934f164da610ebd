import type { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import type { Routes } from "@lanekeeper/rpc";
import { applySchedules } from "./apply-schedules.ts";
import type { ScheduleRpcs } from "./context.ts";
import { createSchedule } from "./create-schedule.ts";
import { deleteSchedule } from "./delete-schedule.ts";
import { listSchedules } from "./list-schedules.ts";
import { pauseSchedule } from "./pause-schedule.ts";
import { resumeSchedule } from "./resume-schedule.ts";
import { runSchedule } from "./run-schedule.ts";

type ScheduleMethod =
  | `${"create" | "delete" | "pause" | "resume" | "run"}Schedule`
  | `${"list" | "apply"}Schedules`;

/** The RPCs about schedules, not yet authorized. */
export function scheduleRoutes(
  rpcs: ScheduleRpcs,
): Pick<Routes<typeof IngressService>, ScheduleMethod> {
  return {
    createSchedule: createSchedule(rpcs),
    listSchedules: listSchedules(rpcs),
    deleteSchedule: deleteSchedule(rpcs),
    pauseSchedule: pauseSchedule(rpcs),
    resumeSchedule: resumeSchedule(rpcs),
    runSchedule: runSchedule(rpcs),
    applySchedules: applySchedules(rpcs),
  };
}
