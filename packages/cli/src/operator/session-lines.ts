import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { Decision, type JournalEntry } from "@lanekeeper/protocol/lanekeeper/identity/v1/journal";
import {
  type Rotation,
  RotationReasonSchema,
  type Run,
  RunOutcomeSchema,
  type Session,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { enumName } from "./enum-name.ts";

/** A session in one line. */
export function sessionLine({ ref, runEpoch, activeRun, lastRun, rotateTime }: Session): string {
  const state = activeRun !== undefined ? `running ${activeRun.runId}` : lastRunText(lastRun);
  return `${ref?.sessionKey}  ${ref?.sessionId}  generation ${ref?.generation}, epoch ${runEpoch}, ${state}, since ${time(rotateTime)}`;
}

/** A session in full. */
export function sessionLines(session: Session): string[] {
  const { ref, activeRun, lastRun } = session;
  return [
    `key         ${ref?.sessionKey}`,
    `session id  ${ref?.sessionId}`,
    `generation  ${ref?.generation} since ${time(session.rotateTime)}, the key since ${time(session.createTime)}`,
    `run epoch   ${session.runEpoch}`,
    ...(activeRun === undefined ? [] : [`running     ${runText(activeRun)}`]),
    ...(lastRun === undefined ? [] : [`last run    ${runText(lastRun)}`]),
    ...(session.parentSessionId === "" ? [] : [`parent      ${session.parentSessionId}`]),
    ...session.absorbed.map(({ sessionId }) => `absorbed    ${sessionId}`),
    ...(session.movedToSessionKey === "" ? [] : [`moved to    ${session.movedToSessionKey}`]),
  ];
}

/** One change of generation. */
export function rotationLine({
  previous,
  current,
  reason,
  principal,
  note,
  createTime,
}: Rotation): string {
  const by = principal === "" ? "" : ` by ${principal}`;
  const why = note === "" ? "" : `: ${note}`;
  return `${time(createTime)}  generation ${previous?.generation ?? 0n} → ${current?.generation}  ${enumName(RotationReasonSchema, reason)}${by}${why}`;
}

/** One decision. */
export function journalLine(entry: JournalEntry): string {
  const verdict =
    entry.decision === Decision.REFUSED
      ? `refused ${entry.reason}`
      : `accepted ${entry.reason}`.trim();
  const ids = [
    entry.sessionKey,
    entry.generation === 0n ? "" : `generation ${entry.generation}`,
    entry.turnId === "" ? "" : `turn ${entry.turnId}`,
    entry.requestId === "" ? "" : `request ${entry.requestId}`,
    entry.principal === "" ? "" : `by ${entry.principal}`,
    entry.count > 1 ? `${entry.count} times` : "",
    entry.errorMessage,
  ].filter((text) => text !== "");
  const why = entry.note === "" ? "" : `: ${entry.note}`;
  return `${time(entry.createTime)}  ${entry.operation}  ${verdict}  ${ids.join(", ")}${why}`;
}

/** ISO 8601, or a dash. */
export function time(timestamp: Timestamp | undefined): string {
  return timestamp === undefined ? "-" : timestampDate(timestamp).toISOString();
}

function lastRunText(run: Run | undefined): string {
  return run === undefined ? "no run yet" : `last run ${enumName(RunOutcomeSchema, run.outcome)}`;
}

function runText(run: Run): string {
  const ended =
    run.endTime === undefined
      ? `heartbeat ${time(run.heartbeatTime)}`
      : enumName(RunOutcomeSchema, run.outcome);
  const why = run.errorReason === "" ? "" : ` (${run.errorReason}: ${run.errorMessage})`;
  return `${run.runId} of turn ${run.turnId}, epoch ${run.runEpoch}, began ${time(run.startTime)}, ${ended}${why}`;
}
