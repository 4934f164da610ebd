import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { toJson } from "@bufbuild/protobuf";
import { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import {
  CreateScheduleResponseSchema,
  ListSchedulesResponseSchema,
  PauseScheduleResponseSchema,
  ResumeScheduleResponseSchema,
  RunScheduleResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/schedule";
import { DispositionSchema, OnConflict } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { CliError } from "../cli-error.ts";
import { enumName } from "../operator/enum-name.ts";
import { openOperator } from "../operator/open-operator.ts";
import { scheduleLine } from "../operator/schedule-lines.ts";
import { type Output, showJson } from "../output.ts";

interface Json {
  readonly json?: true;
}

const METHODS = IngressService.method;

/** `lanekeeper schedules list` */
export async function listSchedules(options: Json, output: Output): Promise<void> {
  const operator = await openOperator();
  const answer = await operator.call(METHODS.listSchedules, {});
  if (options.json) return showJson(output, toJson(ListSchedulesResponseSchema, answer));
  for (const schedule of answer.schedules) output.line(scheduleLine(schedule));
  if (answer.schedules.length === 0) output.line("no schedules");
}

export interface CreateOptions extends Json {
  readonly cron: string;
  readonly timeZone?: string;
  readonly agent?: string;
  readonly message?: string;
  readonly messageFile?: string;
  readonly reject?: true;
  readonly route?: string;
}

/** `lanekeeper schedules create <name>` */
export async function createSchedule(
  scheduleId: string,
  options: CreateOptions,
  output: Output,
): Promise<void> {
  const message = await messageOf(options);
  const operator = await openOperator();
  const answer = await operator.call(METHODS.createSchedule, {
    spec: {
      scheduleId,
      message,
      cron: options.cron,
      timeZone: options.timeZone ?? "",
      agentId: options.agent ?? "",
      onConflict: options.reject ? OnConflict.REJECT : OnConflict.ENQUEUE,
      routeId: options.route ?? "",
    },
  });
  if (options.json) return showJson(output, toJson(CreateScheduleResponseSchema, answer));
  if (answer.schedule !== undefined) output.line(scheduleLine(answer.schedule));
}

async function messageOf({ message, messageFile }: CreateOptions): Promise<string> {
  if ((message === undefined) === (messageFile === undefined)) {
    throw new CliError("Say what the agent is told: --message <text> or --message-file <path>.");
  }
  if (messageFile === undefined) return message ?? "";
  try {
    return await readFile(messageFile, "utf8");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(`${messageFile} cannot be read: ${why}`, { cause });
  }
}

/** `lanekeeper schedules delete <name>` */
export async function deleteSchedule(
  scheduleId: string,
  options: Json,
  output: Output,
): Promise<void> {
  const operator = await openOperator();
  await operator.call(METHODS.deleteSchedule, { scheduleId });
  if (options.json) return showJson(output, { scheduleId });
  output.line(`${scheduleId} is gone`);
}

/** `lanekeeper schedules pause <name>` */
export async function pauseSchedule(
  scheduleId: string,
  options: Json,
  output: Output,
): Promise<void> {
  const operator = await openOperator();
  const answer = await operator.call(METHODS.pauseSchedule, { scheduleId });
  if (options.json) return showJson(output, toJson(PauseScheduleResponseSchema, answer));
  if (answer.schedule !== undefined) output.line(scheduleLine(answer.schedule));
}

/** `lanekeeper schedules resume <name>` */
export async function resumeSchedule(
  scheduleId: string,
  options: Json,
  output: Output,
): Promise<void> {
  const operator = await openOperator();
  const answer = await operator.call(METHODS.resumeSchedule, { scheduleId });
  if (options.json) return showJson(output, toJson(ResumeScheduleResponseSchema, answer));
  if (answer.schedule !== undefined) output.line(scheduleLine(answer.schedule));
}

/** `lanekeeper schedules run <name>`: once, now. */
export async function runSchedule(
  scheduleId: string,
  options: Json & { readonly requestId?: string },
  output: Output,
): Promise<void> {
  const operator = await openOperator();
  const requestId = options.requestId ?? randomUUID();
  const answer = await operator.call(METHODS.runSchedule, { scheduleId, requestId });
  if (options.json) return showJson(output, toJson(RunScheduleResponseSchema, answer));
  const disposition = enumName(DispositionSchema, answer.disposition).toLowerCase();
  output.line(`${scheduleId} ${disposition} as turn ${answer.turnId}`);
}
