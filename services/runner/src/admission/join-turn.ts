import { Disposition, OnConflict } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { LIMITS } from "../limits.ts";
import { coalesceInto, type CoalesceHost, findHost } from "../store/admission/coalesce.ts";
import { messagesBytes } from "../store/codec.ts";
import type { LaneRow } from "../store/lanes/lane-row.ts";
import type { Admission, NewLaneTurn } from "../store/admission/new-turn.ts";
import type { Sql } from "../store/sql.ts";
import { findSteerHost, insertSteered } from "../store/answering/steer.ts";
import type { StoredTurn } from "../store/turn-row.ts";
import type { AdmissionResult } from "./admission-result.ts";
import type { RunnerDeps } from "../deps.ts";

type Joining = Pick<RunnerDeps, "replica">;

/**
 * Coalesces into the last waiting turn, or steers the active one, where the turn asks for it and there
 * is one that fits. Undefined: the turn waits as its own. Under the lane's lock.
 */
export async function joinTurn(
  deps: Joining,
  sql: Sql,
  turn: NewLaneTurn,
  lane: LaneRow,
  input: Admission["input"],
): Promise<AdmissionResult | undefined> {
  if (turn.onConflict === OnConflict.COALESCE) return coalesced(deps, sql, turn, input);
  if (turn.onConflict === OnConflict.STEER) return steered(deps, sql, turn, lane, input);
  return undefined;
}

async function coalesced(
  { replica }: Joining,
  sql: Sql,
  turn: NewLaneTurn,
  input: Admission["input"],
): Promise<AdmissionResult | undefined> {
  const host = await findHost(sql, turn, turn.debounceMs ?? LIMITS.coalesceDebounceMs);
  if (host === undefined || !hasRoom(host, input)) return undefined;
  const joined = await coalesceInto(sql, turn, host.turnId, input, replica);
  return result(joined, Disposition.COALESCED);
}

function hasRoom({ messages, bytes }: CoalesceHost, input: Admission["input"]): boolean {
  const more = messagesBytes(input).reduce((sum, { length }) => sum + length, 0);
  return (
    messages + input.length <= LIMITS.messagesPerTurn && bytes + more <= LIMITS.inputBytesPerTurn
  );
}

async function steered(
  { replica }: Joining,
  sql: Sql,
  turn: NewLaneTurn,
  { activeTurnId }: LaneRow,
  input: Admission["input"],
): Promise<AdmissionResult | undefined> {
  if (activeTurnId === undefined) return undefined;
  const host = await findSteerHost(sql, turn, activeTurnId, LIMITS.steersPerTurn);
  if (host === undefined) return undefined;
  return result(await insertSteered(sql, turn, activeTurnId, input, replica), Disposition.STEERED);
}

function result(turn: StoredTurn, disposition: Disposition): AdmissionResult {
  return { turn, disposition, position: 0, claimedRunId: undefined, stopped: undefined };
}
