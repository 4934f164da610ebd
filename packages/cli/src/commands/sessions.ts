import { randomUUID } from "node:crypto";
import { toJson } from "@bufbuild/protobuf";
import {
  ExplainKeyResponseSchema,
  GetSessionResponseSchema,
  RotateSessionResponseSchema,
  SessionIdentityService,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { JournalEntrySchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/journal";
import {
  QueuedTurns,
  RotationReason,
  RotationSchema,
  SessionSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { jsonRegistry } from "@lanekeeper/rpc";
import type { PageRequest } from "../listing/read-pages.ts";
import { type ListOptions, showList } from "../listing/show-list.ts";
import { openOperator } from "../operator/open-operator.ts";
import { canonicalKey, isUuid, nothingThere } from "../operator/session-key.ts";
import { journalLine, rotationLine, sessionLine, sessionLines } from "../operator/session-lines.ts";
import { explainLines } from "../operator/explain-lines.ts";
import { type Output, showJson } from "../output.ts";

interface Json {
  readonly json?: true;
}

const METHODS = SessionIdentityService.method;

export interface SessionListOptions extends ListOptions {
  readonly agent?: string;
  readonly prefix?: string;
  readonly running?: true;
}

/** `lanekeeper sessions list` */
export async function listSessions(options: SessionListOptions, output: Output): Promise<void> {
  const operator = await openOperator();
  const { agent = "", prefix = "", running: runningOnly = false } = options;
  const question = { agentId: agent, sessionKeyPrefix: prefix, runningOnly };
  const listing = {
    schema: SessionSchema,
    field: "sessions",
    line: sessionLine,
    none: () => output.line("no sessions"),
    ask: async (page: PageRequest) => {
      const answer = await operator.call(METHODS.listSessions, { ...question, ...page });
      return { rows: answer.sessions, nextPageToken: answer.nextPageToken };
    },
  };
  await showList(listing, options, output);
}

/** `lanekeeper sessions get <key or id>` */
export async function getSession(name: string, options: Json, output: Output): Promise<void> {
  const operator = await openOperator();
  const session = isUuid(name)
    ? { case: "sessionId" as const, value: name }
    : { case: "sessionKey" as const, value: await canonicalKey(operator, name) };
  const answer = await operator.call(METHODS.getSession, { session });
  if (options.json) return showJson(output, toJson(GetSessionResponseSchema, answer));
  if (answer.session !== undefined)
    for (const line of sessionLines(answer.session)) output.line(line);
  if (answer.rotation !== undefined) output.line(`asked for   ${rotationLine(answer.rotation)}`);
}

/** `lanekeeper sessions explain <any name>` */
export async function explainKey(
  name: string,
  options: Json & { readonly agent?: string },
  output: Output,
): Promise<void> {
  const operator = await openOperator();
  const answer = await operator.call(METHODS.explainKey, {
    agentId: options.agent ?? "",
    name: { case: "rawKey", value: name },
  });
  if (options.json) {
    const registry = jsonRegistry([SessionIdentityService]);
    return showJson(output, toJson(ExplainKeyResponseSchema, answer, { registry }));
  }
  for (const line of explainLines(answer)) output.line(line);
}

export interface ResetOptions extends Json {
  readonly expectGeneration?: bigint;
  readonly skipQueued?: true;
  readonly note?: string;
}

/** `lanekeeper sessions reset <key>`: a fresh conversation under the same name. */
export async function resetSession(
  name: string,
  options: ResetOptions,
  output: Output,
): Promise<void> {
  const operator = await openOperator();
  const { expectGeneration: expected } = options;
  const answer = await operator.call(METHODS.rotateSession, {
    requestId: randomUUID(),
    sessionKey: await canonicalKey(operator, name),
    reason: RotationReason.RESET,
    queuedTurns: options.skipQueued ? QueuedTurns.SKIP : QueuedTurns.CARRY,
    note: options.note ?? "lanekeeper sessions reset",
    ...(expected === undefined
      ? {}
      : { precondition: { case: "expectedGeneration" as const, value: expected } }),
  });
  if (options.json) return showJson(output, toJson(RotateSessionResponseSchema, answer));
  const { rotation, endedRun } = answer;
  if (rotation !== undefined) output.line(rotationLine(rotation));
  output.line(`session id  ${rotation?.current?.sessionId}`);
  if (endedRun !== undefined) output.line(`the run ${endedRun.runId} was ended`);
  const perhaps = rotation?.perhapsSentCount ?? 0;
  if (perhaps > 0)
    output.line(`${perhaps === 1 ? "1 reply" : `${perhaps} replies`} of before may still arrive`);
}

/** `lanekeeper sessions journal <key>`: what was decided, newest first. */
export async function listJournal(
  name: string,
  options: ListOptions & { readonly refused?: true },
  output: Output,
): Promise<void> {
  const operator = await openOperator();
  const question = {
    sessionKey: await canonicalKey(operator, name),
    refusedOnly: options.refused ?? false,
  };
  const what = question.refusedOnly ? "No refusal" : "No decision";
  const listing = {
    schema: JournalEntrySchema,
    field: "entries",
    line: journalLine,
    none: () => output.problem(nothingThere(`${what} is recorded`, question.sessionKey)),
    ask: async (page: PageRequest) => {
      const answer = await operator.call(METHODS.listJournal, { ...question, ...page });
      return { rows: answer.entries, nextPageToken: answer.nextPageToken };
    },
  };
  await showList(listing, options, output);
}

/** `lanekeeper sessions rotations <key>`: its generations, newest first. */
export async function listRotations(
  name: string,
  options: ListOptions,
  output: Output,
): Promise<void> {
  const operator = await openOperator();
  const sessionKey = await canonicalKey(operator, name);
  const listing = {
    schema: RotationSchema,
    field: "rotations",
    line: rotationLine,
    none: () => output.line(`${sessionKey} is of its first generation`),
    ask: async (page: PageRequest) => {
      const answer = await operator.call(METHODS.listRotations, { sessionKey, ...page });
      return { rows: answer.rotations, nextPageToken: answer.nextPageToken };
    },
  };
  await showList(listing, options, output);
}

/**
 * `lanekeeper sessions export <key or id>`: the transcript as JSON lines, all generations of a key. The
 * last line says that it is whole.
 */
export async function exportSession(name: string, output: Output): Promise<void> {
  const operator = await openOperator();
  const session = isUuid(name)
    ? { case: "sessionId" as const, value: name }
    : { case: "sessionKey" as const, value: await canonicalKey(operator, name) };
  let isEmpty = true;
  for await (const { lines } of operator.streams.runner.exportSession({ session })) {
    const text = new TextDecoder().decode(lines).trimEnd();
    isEmpty &&= text.startsWith('{"type":"end"');
    output.text(text);
  }
  if (isEmpty) {
    output.problem(nothingThere("Nothing was said", session.value));
  }
}
