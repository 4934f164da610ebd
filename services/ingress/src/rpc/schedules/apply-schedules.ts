import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  ApplySchedulesRequest,
  ApplySchedulesResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/schedule";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import { parseSpec } from "../../schedules/parse-spec.ts";
import { nextTime } from "../../schedules/plan-run.ts";
import type { NewSchedule } from "../../schedules/store/put.ts";
import { reached, type ScheduleRpcs } from "./context.ts";
import { quota } from "./create-schedule.ts";

/** Agents are the configuration's own and not looked up. @throws INVALID_REQUEST, QUOTA */
export function applySchedules({
  store,
  clock,
  limits,
}: Pick<ScheduleRpcs, "store" | "clock" | "limits">) {
  return async (
    request: ApplySchedulesRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof ApplySchedulesResponseSchema>> => {
    if (request.schedules.length > limits.maxSchedules) throw quota(limits.maxSchedules);
    const now = clock.now();
    const schedules = request.schedules.map((message, index): NewSchedule => {
      const { spec, times } = parseSpec(message, `schedules[${index}]`, limits);
      if (spec.agentId === "") throw invalid(`schedules[${index}].agent_id`, "is required");
      return { spec, nextDueTime: nextTime(times, now) };
    });
    requireOnce(schedules);
    const { tenant, principal } = call;
    const { maxSchedules } = limits;
    const result = await reached(store.apply(schedules, { tenant, principal, maxSchedules }));
    if (result.kind === "full") throw quota(maxSchedules);
    const { created, changed, deleted } = result;
    return { created, changed, deleted };
  };
}

function requireOnce(schedules: readonly NewSchedule[]): void {
  const ids = schedules.map(({ spec }) => spec.scheduleId);
  const index = ids.findIndex((id, at) => ids.indexOf(id) < at);
  if (index !== -1) throw invalid(`schedules[${index}].schedule_id`, "stands there twice");
}
