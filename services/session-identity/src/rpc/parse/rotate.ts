import {
  type RotateSessionRequest,
  RotateSessionRequestSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { invalid } from "@lanekeeper/rpc";
import type { Precondition, RotateCommand } from "../../domain/rotate.ts";
import { PENDING_REPLIES, QUEUED_TURNS, REASONS, word, wordOr } from "./enums.ts";
import { fence } from "./fence.ts";
import { fingerprint } from "./fingerprint.ts";
import { sessionKey } from "./key.ts";
import { note, optionalId, optionalUuid, positive, requestId } from "./text.ts";

export interface ParsedRotate {
  readonly requestId: string;
  readonly fingerprint: string;
  readonly command: RotateCommand;
}

export function rotateCommand(request: RotateSessionRequest): ParsedRotate {
  const key = sessionKey("session_key", request.sessionKey);
  const reason = askedReason(request);
  const command: RotateCommand = {
    sessionKey: key,
    reason,
    precondition: precondition(request, key),
    queuedTurns: wordOr("queued_turns", QUEUED_TURNS, request.queuedTurns, "carry"),
    pendingReplies: wordOr(
      "pending_replies",
      PENDING_REPLIES,
      request.pendingReplies,
      reason === "reset" ? "suppress" : "deliver",
    ),
    ...source(request, reason),
    note: note(request.note),
  };
  return {
    requestId: requestId(request.requestId),
    fingerprint: fingerprint(RotateSessionRequestSchema, request),
    command,
  };
}

function askedReason(request: RotateSessionRequest): RotateCommand["reason"] {
  const reason = word("reason", REASONS, request.reason);
  if (reason !== "idle" && reason !== "daily") return reason;
  throw invalid("reason", "IDLE and DAILY are the service's own");
}

function precondition({ precondition: given }: RotateSessionRequest, key: string): Precondition {
  if (given.case === "expectedGeneration") {
    return { kind: "generation", expected: positive("expected_generation", given.value) };
  }
  if (given.case !== "owner") return { kind: "none" };
  const owner = fence("owner", given.value);
  if (owner.sessionKey !== key) throw invalid("owner.session.session_key", "is another key's");
  return { kind: "owner", fence: owner };
}

/** RESTORE, FORK and REPLAY have a named parent; REPLAY also where its history ends. */
function source(request: RotateSessionRequest, reason: RotateCommand["reason"]) {
  const named = reason === "restore" || reason === "fork" || reason === "replay";
  const sourceSessionId = optionalUuid("source_session_id", request.sourceSessionId);
  const sourceThroughTurnId = optionalId("source_through_turn_id", request.sourceThroughTurnId);
  if (named && sourceSessionId === undefined) throw invalid("source_session_id", "is required");
  if (!named && sourceSessionId !== undefined) {
    throw invalid("source_session_id", "only RESTORE, FORK and REPLAY have one");
  }
  if ((reason === "replay") !== (sourceThroughTurnId !== "")) {
    throw invalid("source_through_turn_id", "REPLAY has one, and nothing else");
  }
  return { sourceSessionId, sourceThroughTurnId };
}
