import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ListSchedulesResponseSchema } from "@lanekeeper/protocol/lanekeeper/ingress/v1/schedule";
import type { CallContext } from "@lanekeeper/rpc";
import { scheduleMessage } from "../../schedules/schedule-message.ts";
import { mayUse, reached, type ScheduleRpcs } from "./context.ts";

/** @throws STORE_UNAVAILABLE */
export function listSchedules({ store }: Pick<ScheduleRpcs, "store">) {
  return async (
    _request: unknown,
    call: CallContext,
  ): Promise<MessageInitShape<typeof ListSchedulesResponseSchema>> => {
    const found = await reached(store.list(call.tenant));
    return { schedules: found.filter((one) => mayUse(call, one)).map(scheduleMessage) };
  };
}
