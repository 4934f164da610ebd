import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { LIMITS } from "../limits.ts";
import { listTurns as list } from "../store/attaching/list-turns.ts";
import { readRuns, readTurn } from "../store/attaching/read-turn.ts";
import { requireKey } from "./bounds.ts";
import type { Handler } from "./handler.ts";
import { formatPageToken, parsePageToken } from "./page-token.ts";
import {
  parseOptionalEnum,
  parsePageSize,
  parseSessionKey,
  parseStorable,
  parseUuid,
} from "./parse-field.ts";
import { turnMessage } from "./turn-message.ts";

/** By any of the ids that a person has at hand; newest first. */
export const listTurns: Handler<"listTurns"> = (context) => async (request, call) => {
  const { db } = context.deps;
  const limit = parsePageSize(request.pageSize, 500, 50);
  const [before] = parsePageToken(request.pageToken, 1) ?? [];
  const intoTurnId = optional(request.intoTurnId, (text) => parseUuid("into_turn_id", text));
  const sessionKey = optional(request.sessionKey, (text) =>
    requireKey(parseSessionKey("session_key", text), call),
  );
  const requestId = optional(request.requestId, (text) => parseStorable("request_id", text));
  const traceId = optional(request.traceId, (text) => parseStorable("trace_id", text));
  const lane =
    intoTurnId === undefined
      ? sessionKey
      : (await readTurn(db, call.tenant, intoTurnId))?.sessionKey;
  // Turns are looked for in their host's lane, by its index: a host without a lane takes none in.
  if (intoTurnId !== undefined && (lane === undefined || (sessionKey ?? lane) !== lane)) return {};
  const { turns, isMore } = await list(db, call.tenant, {
    sessionKey: lane,
    intoTurnId,
    state: parseOptionalEnum("state", request.state, TurnState),
    requestId,
    traceId,
    parentTurnId: optional(request.parentTurnId, (text) => parseUuid("parent_turn_id", text)),
    beforeTurnId: before === undefined ? undefined : parseUuid("page_token", before),
    agents: call.agents,
    keyPrefixes: call.keyPrefixes,
    limit,
    maxBytes: LIMITS.pageBytes,
  });
  const runs = await readRuns(
    db,
    call.tenant,
    turns.map(({ turnId }) => turnId),
  );
  const last = turns.at(-1);
  return {
    turns: turns.map((turn) => turnMessage(turn, runs)),
    nextPageToken: isMore && last ? formatPageToken([last.turnId]) : "",
  };
};

function optional<T>(text: string, parse: (text: string) => T): T | undefined {
  return text === "" ? undefined : parse(text);
}
