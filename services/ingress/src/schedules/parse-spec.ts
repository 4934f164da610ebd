import type { ScheduleSpec as SpecMessage } from "@lanekeeper/protocol/lanekeeper/ingress/v1/schedule";
import { OnConflict } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { type CronTimes, isCronProblem, parseCron } from "@lanekeeper/cron";
import { invalid } from "@lanekeeper/rpc";
import type { IngressLimits } from "../limits.ts";
import type { ScheduleConflict, ScheduleSpec } from "./schedule.ts";

const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What of a spec was asked for; the agent may still be empty. */
export interface ParsedSpec {
  readonly spec: ScheduleSpec;
  readonly times: CronTimes;
}

/** `at` stands before a field's name, such as "spec". @throws INVALID_REQUEST naming the field */
export function parseSpec(
  message: SpecMessage | undefined,
  at: string,
  { maxScheduleMessageBytes }: Pick<IngressLimits, "maxScheduleMessageBytes">,
): ParsedSpec {
  if (message === undefined) throw invalid(at, "is required");
  const { agentId, cron, routeId } = message;
  const scheduleId = parseScheduleId(message.scheduleId, `${at}.schedule_id`);
  if (agentId !== "" && !NAME.test(agentId)) {
    throw invalid(`${at}.agent_id`, "is no agent id ([a-z0-9][a-z0-9_-]{0,63})");
  }
  const timeZone = message.timeZone || "UTC";
  const times = parseCron(cron, timeZone);
  if (isCronProblem(times)) throw invalid(`${at}.${times.part}`, times.problem);
  if (routeId !== "" && !UUID.test(routeId)) throw invalid(`${at}.route_id`, "is no UUID");
  const onConflict = parseOnConflict(message.onConflict, `${at}.on_conflict`);
  const text = parseText(message.message, `${at}.message`, maxScheduleMessageBytes);
  return {
    spec: { scheduleId, agentId, cron, timeZone, message: text, onConflict, routeId },
    times,
  };
}

/** @throws INVALID_REQUEST */
export function parseScheduleId(scheduleId: string, field = "schedule_id"): string {
  if (NAME.test(scheduleId)) return scheduleId;
  throw invalid(field, "is no schedule's name ([a-z0-9][a-z0-9_-]{0,63})");
}

function parseOnConflict(given: OnConflict, field: string): ScheduleConflict {
  switch (given) {
    case OnConflict.UNSPECIFIED:
    case OnConflict.ENQUEUE:
      return "enqueue";
    case OnConflict.REJECT:
      return "reject";
    default:
      throw invalid(field, "a schedule's turn waits (ENQUEUE) or is left out (REJECT)");
  }
}

function parseText(text: string, field: string, maxBytes: number): string {
  if (text.trim() === "") throw invalid(field, "is required");
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) throw invalid(field, `has ${bytes} bytes of at most ${maxBytes}`);
  // Neither protobuf nor Postgres can keep them.
  if (/\0|\p{Surrogate}/u.test(text)) throw invalid(field, "holds U+0000 or half a character");
  return text;
}
