import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  DeleteScheduleRequest,
  DeleteScheduleResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/schedule";
import { type CallContext, invalid, notFound } from "@lanekeeper/rpc";
import { parseScheduleId } from "../../schedules/parse-spec.ts";
import { reached, requireSchedule, type ScheduleRpcs } from "./context.ts";

/** @throws INVALID_REQUEST, NOT_FOUND, PERMISSION_DENIED, STORE_UNAVAILABLE */
export function deleteSchedule(rpcs: Pick<ScheduleRpcs, "store">) {
  return async (
    request: DeleteScheduleRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof DeleteScheduleResponseSchema>> => {
    const scheduleId = parseScheduleId(request.scheduleId);
    const { fromConfig } = await requireSchedule(rpcs, call, scheduleId);
    if (fromConfig) {
      throw invalid("schedule_id", "is the configuration's: remove it there, or pause it");
    }
    const isGone = await reached(rpcs.store.remove(call.tenant, scheduleId));
    if (!isGone) throw notFound("schedule", scheduleId);
    return {};
  };
}
