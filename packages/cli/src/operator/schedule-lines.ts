import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Schedule } from "@lanekeeper/protocol/lanekeeper/ingress/v1/schedule";
import { time } from "./session-lines.ts";

/** A schedule in one line. */
export function scheduleLine({ spec, lastRun, ...schedule }: Schedule): string {
  const { nextDueTime, lastMissedTime, sessionKey, paused, fromConfig } = schedule;
  const parts = [
    paused ? "paused" : `next ${due(nextDueTime)}`,
    ...(lastRun === undefined ? [] : [`last ${due(lastRun.dueTime)} ${outcome(lastRun)}`]),
    ...(lastMissedTime === undefined ? [] : [`missed ${due(lastMissedTime)}`]),
    ...(fromConfig ? ["of the configuration"] : []),
  ];
  return `${spec?.scheduleId}  ${spec?.cron} ${spec?.timeZone}  ${sessionKey}  ${parts.join(", ")}`;
}

function outcome({ turnId, reason, errorMessage }: NonNullable<Schedule["lastRun"]>): string {
  return turnId === "" ? `refused ${reason}: ${errorMessage}` : `as turn ${turnId}`;
}

/** A whole second, as `trace schedule/<name>/<due time>` takes it. */
function due(timestamp: Timestamp | undefined): string {
  return time(timestamp).replace(".000Z", "Z");
}
