import { createHash } from "node:crypto";

/** What becomes of a run whose lane is busy. */
export type ScheduleConflict = "enqueue" | "reject";

/** Whose it is, and what it is called. */
export interface ScheduleName {
  readonly scheduleId: string;
  readonly agentId: string;
}

/** What is run, and when. */
export interface ScheduleSpec extends ScheduleName {
  readonly cron: string;
  readonly timeZone: string;
  readonly message: string;
  readonly onConflict: ScheduleConflict;
  /** Empty: replies stay in the transcript. */
  readonly routeId: string;
}

/** What became of a due time. */
export interface ScheduleRun {
  readonly dueTime: Date;
  readonly runTime: Date;
  /** Empty where it was refused. */
  readonly turnId: string;
  /** Empty where it was accepted. */
  readonly reason: string;
  readonly errorMessage: string;
}

/** A schedule as it stands. */
export interface Schedule extends ScheduleSpec {
  readonly tenant: string;
  readonly fromConfig: boolean;
  readonly isPaused: boolean;
  readonly principal: string;
  readonly createTime: Date;
  /** Undefined: paused. */
  readonly nextDueTime: Date | undefined;
  readonly lastRun: ScheduleRun | undefined;
  readonly lastMissedTime: Date | undefined;
}

/** The name under which its turns run: of the system's namespace, closed to outside credentials. */
export function rawKeyOf(scheduleId: string): string {
  return `cron:${scheduleId}`;
}

/** The canonical key that its turns run under, and by which a bound credential may reach it. */
export function sessionKeyOf({ agentId, scheduleId }: ScheduleName): string {
  return `agent:${agentId}:${rawKeyOf(scheduleId)}`;
}

/** The turn of a due time: the same from every replica, however often it is tried. */
export function dueKey(scheduleId: string, dueTime: Date): string {
  return `schedule/${scheduleId}/${dueTime.toISOString().replace(/\.\d+Z$/, "Z")}`;
}

/** The turn that an operator asked for by hand. */
export function handKey(scheduleId: string, requestId: string): string {
  return `schedule/${scheduleId}/by-hand/${requestId}`;
}

/**
 * Of the key alone: a run *is* its schedule and due time. Were the message part of it, a run that was
 * accepted right before its schedule was changed could not be recognized.
 */
export function keyFingerprint(idempotencyKey: string): Uint8Array {
  return createHash("sha256").update(idempotencyKey).digest();
}
