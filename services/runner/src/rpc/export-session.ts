import { create, toJson } from "@bufbuild/protobuf";
import { TranscriptMessageSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { ExportSessionRequest } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { type CallContext, invalid, notFound } from "@lanekeeper/rpc";
import type { RunnerContext } from "../context.ts";
import { LIMITS } from "../limits.ts";
import {
  keptSessions,
  type MessagePage,
  messagesOfKey,
  messagesOfSession,
  type StoredMessage,
} from "../store/attaching/list-messages.ts";
import { readSession } from "../store/answering/sessions.ts";
import { isSessionTold, requireKey } from "./bounds.ts";
import type { Handler } from "./handler.ts";
import { messageInit } from "./list-messages.ts";
import { parseSessionKey, parseUuid } from "./parse-field.ts";
import { asTold } from "./told.ts";

/** A page at a time: however long the transcript is, one page of it is in memory. */
export const exportSession: Handler<"exportSession"> = (context) =>
  async function* (request, call) {
    try {
      for await (const lines of exported(context, request, call)) {
        call.signal.throwIfAborted();
        yield { lines: Buffer.from(lines) };
      }
    } catch (error) {
      throw asTold(error);
    }
  };

async function* exported(
  context: RunnerContext,
  request: ExportSessionRequest,
  call: CallContext,
): AsyncGenerator<string> {
  const { tenant } = call;
  const read = await pagesOf(context, request, call);
  let sessionId = "";
  let count = 0;
  for (let last: StoredMessage | undefined; ; ) {
    const { messages: page, isMore } = await read(last);
    const whole = await wholeOf(context, tenant, page, sessionId);
    let lines = "";
    for (const message of whole) {
      if (message.sessionId !== sessionId) lines += await sessionLine(context, tenant, message);
      sessionId = message.sessionId;
      lines += messageLine(message);
      if (lines.length < LIMITS.exportPartChars) continue;
      yield lines;
      lines = "";
    }
    count += whole.length;
    if (lines !== "") yield lines;
    last = page.at(-1);
    if (last === undefined || !isMore) break;
  }
  yield line({ type: "end", messages: count });
}

/**
 * The messages of a page whose sessions were there in whole when it was read. One that is being removed is not
 * told of; asked after the page, since then nothing of those that are there was gone.
 * @throws NOT_FOUND where that of which something was told already is not
 */
async function wholeOf(
  { deps }: RunnerContext,
  tenant: string,
  page: readonly StoredMessage[],
  begun: string,
): Promise<readonly StoredMessage[]> {
  const ids = new Set(page.map(({ sessionId }) => sessionId));
  if (begun !== "") ids.add(begun);
  if (ids.size === 0) return page;
  const kept = await keptSessions(deps.db, tenant, [...ids]);
  if (begun !== "" && !kept.has(begun)) throw notFound("session", begun);
  return page.filter(({ sessionId }) => kept.has(sessionId));
}

type ReadPage = (after: StoredMessage | undefined) => Promise<MessagePage>;

async function pagesOf(
  { deps }: RunnerContext,
  { session }: ExportSessionRequest,
  call: CallContext,
): Promise<ReadPage> {
  const { tenant } = call;
  const bounds = { limit: LIMITS.exportPage, maxBytes: LIMITS.pageBytes };
  switch (session.case) {
    case "sessionId": {
      const sessionId = parseUuid("session_id", session.value);
      if (!(await isSessionTold(deps.db, sessionId, call))) return async () => NOTHING;
      return (after) => messagesOfSession(deps.db, tenant, sessionId, after?.seq ?? 0n, bounds);
    }
    case "sessionKey": {
      const key = requireKey(parseSessionKey("session_key", session.value), call);
      return (after) => messagesOfKey(deps.db, tenant, key, after ?? START, bounds);
    }
    case undefined:
      throw invalid("session", "is required");
  }
}

const START = { generation: 0n, seq: 0n };
const NOTHING: MessagePage = { messages: [], isMore: false };

async function sessionLine(
  { deps }: RunnerContext,
  tenant: string,
  { sessionId }: StoredMessage,
): Promise<string> {
  const session = await readSession(deps.db, tenant, sessionId);
  if (session === undefined) throw notFound("session", sessionId);
  const { sessionKey, generation, parentSessionId } = session;
  return line({
    type: "session",
    sessionKey,
    sessionId,
    generation: String(generation),
    ...(parentSessionId === "" ? {} : { parentSessionId }),
  });
}

function messageLine(message: StoredMessage): string {
  const shown = create(TranscriptMessageSchema, messageInit(message));
  return line({ type: "message", ...(toJson(TranscriptMessageSchema, shown) as object) });
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}
