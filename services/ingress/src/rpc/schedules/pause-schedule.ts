import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  PauseScheduleRequest,
  PauseScheduleResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/schedule";
import { type CallContext, notFound } from "@lanekeeper/rpc";
import { parseScheduleId } from "../../schedules/parse-spec.ts";
import { scheduleMessage } from "../../schedules/schedule-message.ts";
import { reached, requireSchedule, type ScheduleRpcs } from "./context.ts";

/** @throws INVALID_REQUEST, NOT_FOUND, PERMISSION_DENIED, STORE_UNAVAILABLE */
export function pauseSchedule(rpcs: Pick<ScheduleRpcs, "store">) {
  return async (
    request: PauseScheduleRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof PauseScheduleResponseSchema>> => {
    const scheduleId = parseScheduleId(request.scheduleId);
    await requireSchedule(rpcs, call, scheduleId);
    const paused = await reached(rpcs.store.pause(call.tenant, scheduleId));
    if (paused === undefined) throw notFound("schedule", scheduleId);
    return { schedule: scheduleMessage(paused) };
  };
}
