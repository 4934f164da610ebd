import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  RunScheduleRequest,
  RunScheduleResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/schedule";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import { parseScheduleId } from "../../schedules/parse-spec.ts";
import { handKey } from "../../schedules/schedule.ts";
import { startTurn } from "../../schedules/start-turn.ts";
import { requireSchedule, type ScheduleRpcs } from "./context.ts";

/**
 * The turn's principal is the operator; it runs for the system, under the schedule's name.
 * @throws INVALID_REQUEST, NOT_FOUND, PERMISSION_DENIED, what the runner refuses with
 */
export function runSchedule(
  rpcs: Pick<ScheduleRpcs, "store" | "agents" | "identity" | "runner" | "limits">,
) {
  return async (
    request: RunScheduleRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof RunScheduleResponseSchema>> => {
    const scheduleId = parseScheduleId(request.scheduleId);
    if (!/^[!-~]{1,128}$/.test(request.requestId)) {
      throw invalid("request_id", "must be 1 to 128 visible ASCII characters");
    }
    const spec = await requireSchedule(rpcs, call, scheduleId);
    const { tenant, principal, requestId } = call;
    const { turnId, disposition } = await startTurn(rpcs, {
      spec,
      idempotencyKey: handKey(scheduleId, request.requestId),
      about: {
        tenant,
        principal,
        requestId,
        within: call,
        timeoutMs: rpcs.limits.scheduleAttemptMs,
      },
    });
    return { turnId, disposition };
  };
}
