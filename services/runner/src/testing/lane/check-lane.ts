import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { expect } from "vitest";
import { textOf } from "../../domain/message-text.ts";
import { messageOf } from "../../store/codec.ts";
import type { RunnerDatabase } from "../../store/sql.ts";
import { type Facts, mayEndAs } from "./facts.ts";

interface TurnRow {
  readonly turnId: string;
  readonly state: TurnState;
  readonly isTold: boolean;
  readonly laneSeq: bigint;
  readonly front: boolean;
  readonly turnClass: number;
  readonly intoTurnId: string | null;
}

interface MessageRow {
  readonly turnId: string;
  readonly role: number;
  readonly text: string;
  readonly generation: bigint;
  readonly runEpoch: bigint | null;
}

/** Holds what is stored of a lane against what was done to it, once all its turns have ended. */
export async function checkLane(db: RunnerDatabase, key: string, facts: Facts): Promise<void> {
  const turns = await readTurns(db, key);
  const said = await readSaid(db, key);
  const byId = new Map(turns.map((turn) => [turn.turnId, turn]));
  expect(turns.map(({ turnId }) => turnId).toSorted()).toEqual(
    facts.turns.map(({ turnId }) => turnId).toSorted(),
  );
  for (const turn of facts.turns) {
    const { state } = byId.get(turn.turnId) as TurnRow;
    expect(mayEndAs(facts, turn), turn.text).toContain(state);
  }
  checkTranscript(turns, said);
  checkNothingLost(facts, byId, said);
  checkOrder(byId, said);
  const lane = await db.query(
    `SELECT depth, holder_run_id, active_turn_id FROM lanes WHERE session_key = $1`,
    [key],
  );
  const idle = { depth: 0, holder_run_id: null, active_turn_id: null };
  expect(lane.rows).toEqual(facts.turns.length === 0 ? [] : [idle]);
}

/** A completed turn has its one reply there; no other has any. */
function checkTranscript(turns: readonly TurnRow[], said: readonly MessageRow[]): void {
  for (const turn of turns) {
    const replies = said.filter(({ turnId, role }) => turnId === turn.turnId && role === 3);
    if (turn.state === TurnState.COMPLETED) expect(replies.length).toBeGreaterThan(0);
    else expect(replies).toEqual([]);
  }
  const inputs = said.filter(({ role }) => role === 2).map(({ text }) => text);
  expect(inputs.toSorted()).toEqual([...new Set(inputs)].toSorted());
}

/** What was answered stands there, whether as a turn of its own or as part of another. */
function checkNothingLost(
  facts: Facts,
  byId: ReadonlyMap<string, TurnRow>,
  said: readonly MessageRow[],
): void {
  const inputs = new Set(said.filter(({ role }) => role === 2).map(({ text }) => text));
  for (const { turnId, text } of facts.turns) {
    const turn = byId.get(turnId) as TurnRow;
    const answering = turn.state === TurnState.COALESCED ? byId.get(turn.intoTurnId ?? "") : turn;
    if (answering?.state === TurnState.COMPLETED) expect(inputs, text).toContain(text);
  }
}

/** Replies stand in the order in which their runs took the key, and within a class as accepted. */
function checkOrder(byId: ReadonlyMap<string, TurnRow>, said: readonly MessageRow[]): void {
  const replies = said.filter(({ role }) => role === 3);
  const epochs = replies.map(({ runEpoch }) => runEpoch ?? 0n);
  expect(epochs).toEqual(epochs.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
  const generations = said.map(({ generation }) => generation);
  expect(generations).toEqual(generations.toSorted((a, b) => Number(a - b)));
  for (const turnClass of [1, 2]) {
    const seqs = [...new Set(replies.map(({ turnId }) => turnId))]
      .map((turnId) => byId.get(turnId) as TurnRow)
      .filter((turn) => !turn.front && turn.turnClass === turnClass)
      .map(({ laneSeq }) => laneSeq);
    expect(seqs).toEqual(seqs.toSorted((a, b) => Number(a - b)));
  }
}

async function readTurns(db: RunnerDatabase, key: string): Promise<TurnRow[]> {
  const { rows } = await db.query<TurnRow>(
    `SELECT turn_id AS "turnId", state::int, is_told AS "isTold", lane_seq AS "laneSeq", front,
       turn_class::int AS "turnClass", into_turn_id AS "intoTurnId"
     FROM turns WHERE session_key = $1`,
    [key],
  );
  return [...rows];
}

async function readSaid(db: RunnerDatabase, key: string): Promise<MessageRow[]> {
  const { rows } = await db.query<Omit<MessageRow, "text"> & { body: Buffer }>(
    `SELECT m.turn_id AS "turnId", m.role::int, m.body, s.generation, r.run_epoch AS "runEpoch"
     FROM messages m JOIN sessions s USING (tenant, session_id)
     JOIN turns t ON t.tenant = m.tenant AND t.turn_id = m.turn_id
     LEFT JOIN runs r ON r.tenant = m.tenant AND r.turn_id = m.turn_id AND r.run_id = t.run_id
     WHERE s.session_key = $1 ORDER BY s.generation, m.seq`,
    [key],
  );
  return rows.map(({ body, ...row }) => ({ ...row, text: textOf(messageOf(body)) }));
}
