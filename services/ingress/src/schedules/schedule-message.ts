import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  ScheduleRunSchema,
  ScheduleSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/schedule";
import { OnConflict } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import {
  type Schedule,
  type ScheduleConflict,
  type ScheduleRun,
  sessionKeyOf,
} from "./schedule.ts";

const ON_CONFLICT: Readonly<Record<ScheduleConflict, OnConflict>> = {
  enqueue: OnConflict.ENQUEUE,
  reject: OnConflict.REJECT,
};

export function onConflictOf(word: ScheduleConflict): OnConflict {
  return ON_CONFLICT[word];
}

/** A schedule as RPCs tell it. */
export function scheduleMessage(schedule: Schedule): MessageInitShape<typeof ScheduleSchema> {
  const { scheduleId, agentId, cron, timeZone, message, routeId } = schedule;
  const { isPaused: paused, fromConfig, principal, lastRun } = schedule;
  return {
    spec: {
      scheduleId,
      agentId,
      cron,
      timeZone,
      message,
      routeId,
      onConflict: onConflictOf(schedule.onConflict),
    },
    sessionKey: sessionKeyOf(schedule),
    paused,
    fromConfig,
    principal,
    createTime: timestampFromDate(schedule.createTime),
    ...time("nextDueTime", schedule.nextDueTime),
    ...time("lastMissedTime", schedule.lastMissedTime),
    ...(lastRun === undefined ? {} : { lastRun: runMessage(lastRun) }),
  };
}

function runMessage(run: ScheduleRun): MessageInitShape<typeof ScheduleRunSchema> {
  const { turnId, reason, errorMessage } = run;
  const dueTime = timestampFromDate(run.dueTime);
  return { dueTime, runTime: timestampFromDate(run.runTime), turnId, reason, errorMessage };
}

function time<K extends string>(name: K, date: Date | undefined) {
  return date === undefined ? {} : { [name]: timestampFromDate(date) };
}
