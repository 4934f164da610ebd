import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  CreateScheduleRequest,
  CreateScheduleResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/schedule";
import {
  type CallContext,
  type Caller,
  LanekeeperError,
  later,
  permissionDenied,
} from "@lanekeeper/rpc";
import { keyBoundBy } from "@lanekeeper/session-key";
import { parseSpec } from "../../schedules/parse-spec.ts";
import { nextTime } from "../../schedules/plan-run.ts";
import { type ScheduleSpec, sessionKeyOf } from "../../schedules/schedule.ts";
import { scheduleMessage } from "../../schedules/schedule-message.ts";
import { requireRoute } from "../require-route.ts";
import { reached, type ScheduleRpcs } from "./context.ts";

/**
 * @throws INVALID_REQUEST, UNKNOWN_MODEL, AGENT_REQUIRED, IDEMPOTENCY_MISMATCH, QUOTA; of a bound
 * credential PERMISSION_DENIED where the schedule's key, NOT_FOUND where its route's key is none of its own
 */
export function createSchedule({ store, agents, delivery, clock, limits }: ScheduleRpcs) {
  return async (
    request: CreateScheduleRequest,
    call: CallContext,
  ): Promise<MessageInitShape<typeof CreateScheduleResponseSchema>> => {
    const { spec: asked, times } = parseSpec(request.spec, "spec", limits);
    if (asked.agentId !== "") await agents.require(call, asked.agentId, asked.agentId, call);
    const agentId = asked.agentId || (await agents.requireDefault(call, call));
    const spec = { ...asked, agentId };
    requireBounds(call, spec);
    await requireRoute(delivery, call, spec.routeId);
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

/** By the key's text alone, so that it tells nothing of what is there. */
function requireBounds(caller: Caller, spec: ScheduleSpec): void {
  const sessionKey = sessionKeyOf(spec);
  const by = keyBoundBy(sessionKey, caller);
  if (by === undefined) return;
  const message = "the schedule's key is none of those that the credential is bound to";
  throw permissionDenied(message, { session_key: sessionKey, bound_by: by });
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
