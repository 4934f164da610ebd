import type { MessageInitShape } from "@bufbuild/protobuf";
import { isCronProblem, parseCron } from "@lanekeeper/cron";
import type {
  ResumeScheduleRequest,
  ResumeScheduleResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/schedule";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import { parseScheduleId } from "../../schedules/parse-spec.ts";
import { nextTime } from "../../schedules/plan-run.ts";
import type { Schedule } from "../../schedules/schedule.ts";
import { scheduleMessage } from "../../schedules/schedule-message.ts";
import { reached, requireSchedule, type ScheduleRpcs } from "./context.ts";

/** @throws INVALID_REQUEST, NOT_FOUND, PERMISSION_DENIED, STORE_UNAVAILABLE */
export function resumeSchedule(rpcs: Pick<ScheduleRpcs, "store" | "clock">) {
  return async (
    request: ResumeScheduleRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof ResumeScheduleResponseSchema>> => {
    const scheduleId = parseScheduleId(request.scheduleId);
    for (;;) {
      // Ends with NOT_FOUND where it was deleted; another round is for one that was applied anew.
      const found = await requireSchedule(rpcs, call, scheduleId);
      const next = nextOf(found, rpcs.clock.now());
      const resumed = await reached(rpcs.store.resume(found, next));
      if (resumed !== undefined) return { schedule: scheduleMessage(resumed) };
    }
  };
}

function nextOf({ cron, timeZone }: Schedule, now: Date): Date {
  const times = parseCron(cron, timeZone);
  if (isCronProblem(times)) throw invalid(times.part, times.problem);
  return nextTime(times, now);
}
