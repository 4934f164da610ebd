import type { ServerResponse } from "node:http";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { TurnEnded } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { OpenTurn } from "../turns/open-turn.ts";

/** A canonical key may have 1,024 bytes, three times as many percent-encoded; proxies bound headers. */
const MAX_KEY_HEADER_BYTES = 1_024;

/** Tells which session a request was led to. */
export function setSessionHeaders(res: ServerResponse, session: SessionRef): void {
  const { sessionKey } = session;
  const isAscii = /^[ -~]*$/.test(sessionKey);
  const value = isAscii ? sessionKey : encodeURIComponent(sessionKey);
  if (value.length <= MAX_KEY_HEADER_BYTES) {
    res.setHeader(isAscii ? "x-session-key" : "x-session-key-encoded", value);
  }
  res.setHeader("x-session-id", session.sessionId);
  res.setHeader("x-session-generation", String(session.generation));
}

/** Tells what was decided when the turn was accepted. */
export function setReceiptHeaders(res: ServerResponse, turn: Accepted): void {
  if (turn.session !== undefined) setSessionHeaders(res, turn.session);
  res.setHeader("x-lane-disposition", turn.disposition);
  res.setHeader("x-turn-id", turn.turnId);
  if (turn.session !== undefined) res.setHeader("x-lane-position", String(turn.position));
}

/** What happened in the end: the `lanekeeper` object of an answer. */
export interface Receipt {
  /** Null for a stateless request. */
  readonly session_key: string | null;
  readonly session_id: string | null;
  readonly generation: number | null;
  readonly turn_id: string;
  readonly run_id: string;
  /** As in x-lane-disposition; `coalesced` also where a queued turn became a part of another. */
  readonly disposition: string;
  /** The turn that answered in this one's place, if another did. */
  readonly into_turn_id: string | null;
  /** The model that answered, by its provider's name. */
  readonly model: string;
  readonly request_id: string;
}

/** What a turn's acceptance told. */
export type Accepted = Pick<OpenTurn, "turnId" | "session" | "disposition" | "position">;

/** The same before the end is known. */
export function acceptedReceipt(
  { turnId, session, disposition, position }: Accepted,
  requestId: string,
): object {
  return {
    session_key: session?.sessionKey ?? null,
    session_id: session?.sessionId ?? null,
    generation: session === undefined ? null : Number(session.generation),
    turn_id: turnId,
    disposition,
    position,
    request_id: requestId,
  };
}

export function receipt(turn: Accepted, ended: TurnEnded, requestId: string): Receipt {
  const session = ended.session ?? turn.session;
  const wasCoalesced = ended.state === TurnState.COALESCED && turn.disposition === "queued";
  return {
    session_key: session?.sessionKey ?? null,
    session_id: session?.sessionId ?? null,
    // 2^53 generations are not reached: a raise after a restore adds 2^32.
    generation: session === undefined ? null : Number(session.generation),
    turn_id: turn.turnId,
    run_id: ended.runId,
    disposition: wasCoalesced ? "coalesced" : turn.disposition,
    into_turn_id: ended.intoTurnId || null,
    model: ended.model,
    request_id: requestId,
  };
}
