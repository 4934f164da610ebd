import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  CreateScheduleRequest,
  CreateScheduleResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/schedule";
import { type CallContext, LanekeeperError, later } from "@lanekeeper/rpc";
import { parseSpec } from "../../schedules/parse-spec.ts";
import { nextTime } from "../../schedules/plan-run.ts";
import { scheduleMessage } from "../../schedules/schedule-message.ts";
import { reached, type ScheduleRpcs } from "./context.ts";

/** @throws INVALID_REQUEST, UNKNOWN_MODEL, AGENT_REQUIRED, IDEMPOTENCY_MISMATCH, QUOTA */
export function createSchedule({ store, agents, clock, limits }: ScheduleRpcs) {
  return async (
    request: CreateScheduleRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof CreateScheduleResponseSchema>> => {
    const { spec: asked, times } = parseSpec(request.spec, "spec", limits);
    if (asked.agentId !== "") await agents.require(call, asked.agentId, asked.agentId);
    const agentId = asked.agentId || (await agents.requireDefault(call));
    const spec = { ...asked, agentId };
    const result = await reached(
      store.create(
        { spec, nextDueTime: nextTime(times, clock.now()) },
        { tenant: call.tenant, principal: call.principal, maxSchedules: limits.maxSchedules },
      ),
    );
    switch (result.kind) {
      case "stored":
        return { schedule: scheduleMessage(result.schedule) };
      case "taken":
        throw taken(spec.scheduleId);
      case "full":
        throw quota(limits.maxSchedules);
    }
  };
}

/** Room comes when an operator makes some; a day is a polite time to ask again by oneself. */
const FULL_RETRY_MS = 24 * 60 * 60 * 1_000;

export function quota(maxSchedules: number): LanekeeperError {
  const metadata = { limit: String(maxSchedules) };
  const message = `the tenant may have ${maxSchedules} schedules; delete one first`;
  return later("QUOTA", message, FULL_RETRY_MS, { metadata });
}

function taken(scheduleId: string): LanekeeperError {
  const message = `there is another schedule named ${scheduleId}; delete it first, or take another name`;
  return new LanekeeperError("IDEMPOTENCY_MISMATCH", message, {
    metadata: { schedule_id: scheduleId },
  });
}
