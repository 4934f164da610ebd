import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { stateCode } from "../../domain/turn-state.ts";
import type { Held } from "../lanes/claim-head.ts";
import { messagesOf } from "../codec.ts";
import { insertJoined, joinedParams } from "../admission/insert-joined.ts";
import { lockLane } from "../lanes/lane-row.ts";
import type { NewLaneTurn } from "../admission/new-turn.ts";
import { first, rows, type RunnerDatabase, type Sql } from "../sql.ts";
import { isQueued, isSteered, stateIn } from "../state-in.ts";
import { type StoredTurn, TURN_COLUMNS, type TurnRow, turnOf } from "../turn-row.ts";

const COALESCED = stateCode("COALESCED");

/**
 * Locks the host's row: its ending is stored either before this, and then it is none, or after it. One that
 * had begun to be stored does not see the message; the turn's end finds it then.
 */
const FIND_STEER_HOST = {
  name: "runner_find_steer_host",
  text: `
SELECT turn_id FROM turns t
WHERE tenant = $1 AND turn_id = $2 AND ${stateIn("state", "ACTIVE")} AND principal = $3 AND generation = $4
  AND session_id = $8
  AND ($7 = '' OR route_id = $7) AND prepared_run_id IS NULL AND stop IS NULL
  AND (SELECT count(*) FROM turns s WHERE s.tenant = $1 AND s.session_key = $6
       AND ${isSteered("s")} AND s.into_turn_id = $2) < $5
FOR UPDATE`,
};

/**
 * The active turn, if it is of the same principal, session and generation and has not come to its end. Its reply
 * goes to its own route: a turn that names another one is not handed to it. What a turn's tool sends names
 * none: its route is for the case that it is a turn of its own.
 */
export function findSteerHost(
  sql: Sql,
  turn: NewLaneTurn,
  activeTurnId: string,
  maxSteers: number,
): Promise<object | undefined> {
  const { tenant, principal, session, routeId, nested } = turn;
  return first(sql, FIND_STEER_HOST, [
    tenant,
    activeTurnId,
    principal,
    session.generation,
    maxSteers,
    session.sessionKey,
    nested === undefined ? routeId : "",
    session.sessionId,
  ]);
}

const INSERT_STEERED = {
  name: "runner_insert_steered",
  text: `WITH ${insertJoined("STEERED")} SELECT ${TURN_COLUMNS} FROM t`,
};

/** Admits a turn as a message to the active one. Under the lane's lock. */
export async function insertSteered(
  sql: Sql,
  turn: NewLaneTurn,
  hostTurnId: string,
  input: readonly Message[],
  replica: string,
): Promise<StoredTurn> {
  const row = await first<TurnRow>(
    sql,
    INSERT_STEERED,
    joinedParams(turn, hostTurnId, input, replica),
  );
  if (row === undefined) throw new Error("a lane that is locked is gone; lanes are never removed");
  return turnOf(row);
}

/** What a subagent answered stands there as its tool's result. */
const OF_HOST = `s.tenant = $1 AND s.session_key = $2 AND ${isSteered("s")} AND s.into_turn_id = $3
  AND s.child_turn_id IS NULL
  AND EXISTS (SELECT FROM turns h WHERE h.tenant = $1 AND h.turn_id = $3 AND h.run_id = $4
              AND ${stateIn("h.state", "ACTIVE")})`;

const STEER = `s.turn_id AS "turnId", s.lane_seq AS "laneSeq", s.input, s.steered_after_step AS "afterStep"`;

const READ_STEERS = {
  name: "runner_read_steers",
  text: `SELECT ${STEER} FROM turns s WHERE ${OF_HOST} AND s.steer = 2`,
};

/** Asked again, since the answer was lost, it tells what it took: the run does not know of that. */
const TAKE_STEERS = {
  name: "runner_take_steers",
  text: `
WITH taken AS (
  UPDATE turns s SET steer = 2, steered_after_step = $5::int WHERE ${OF_HOST} AND s.steer = 1
  RETURNING ${STEER}
)
SELECT * FROM taken
UNION ALL
SELECT ${STEER} FROM turns s WHERE ${OF_HOST} AND s.steer = 2 AND s.turn_id <> ALL ($6::uuid[])`,
};

/** What was handed to a turn, and after which of the turn's tool steps it was read. */
export interface Steer {
  readonly turnId: string;
  readonly messages: readonly Message[];
  /** 0: before all of them; undefined: the release before did not say. */
  readonly afterStep: number | undefined;
}

type Row = { turnId: string; laneSeq: bigint; input: Buffer[]; afterStep: number | null };

/** Messages handed to a turn that its earlier runs have read, in order. */
export async function readSteers(sql: Sql, held: Held): Promise<Steer[]> {
  const { tenant, sessionKey, turnId, runId } = held;
  return inOrder(await rows<Row>(sql, READ_STEERS, [tenant, sessionKey, turnId, runId]));
}

/** Those that the run does not know, in order; they are read after this step of the turn's tools. */
export async function takeSteers(
  sql: Sql,
  held: Held,
  lastStep: number,
  known: readonly string[],
): Promise<Steer[]> {
  const { tenant, sessionKey, turnId, runId } = held;
  const params = [tenant, sessionKey, turnId, runId, lastStep, known];
  return inOrder(await rows<Row>(sql, TAKE_STEERS, params));
}

function inOrder(found: readonly Row[]): Steer[] {
  return found
    .toSorted((a, b) => (a.laneSeq < b.laneSeq ? -1 : 1))
    .map(({ turnId, input, afterStep }) => ({
      turnId,
      messages: messagesOf(input),
      afterStep: afterStep ?? undefined,
    }));
}

const SETTLE_STEERS = {
  name: "runner_settle_steers",
  text: `
WITH host AS (
  SELECT state = ${stateCode("COMPLETED")} AS "isAnswered", session_id, generation FROM turns
  WHERE tenant = $1 AND turn_id = $3 AND end_time IS NOT NULL
), answered AS (
  UPDATE turns s SET state = ${COALESCED}, end_time = clock_timestamp(), ended_stream_seq = 1,
    is_told = true, session_id = host.session_id, generation = host.generation
  FROM host
  WHERE s.tenant = $1 AND s.session_key = $2 AND ${isSteered("s")} AND s.into_turn_id = $3
    AND s.steer = 2 AND host."isAnswered"
), freed AS (
  UPDATE turns s SET steer = NULL, into_turn_id = NULL FROM host
  WHERE s.tenant = $1 AND s.session_key = $2 AND ${isSteered("s")} AND s.into_turn_id = $3
    AND NOT (s.steer = 2 AND host."isAnswered")
  RETURNING s.turn_id
)
UPDATE lanes SET depth = depth + (SELECT count(*) FROM freed)
WHERE tenant = $1 AND session_key = $2
RETURNING (SELECT count(*) FROM freed)::int AS freed`,
};

/**
 * What becomes of the messages that an ended turn was handed: answered by it, or turns of their own
 * again. Gives how many wait anew. A repeat finds nothing to do.
 */
export function settleSteers(
  db: RunnerDatabase,
  host: { readonly tenant: string; readonly sessionKey: string; readonly turnId: string },
): Promise<number> {
  const { tenant, sessionKey, turnId } = host;
  return db.transaction(async (sql) => {
    await lockLane(sql, tenant, sessionKey);
    const params = [tenant, sessionKey, turnId];
    return (await first<{ freed: number }>(sql, SETTLE_STEERS, params))?.freed ?? 0;
  });
}

/** Messages that were handed to a turn wait as turns of their own again. */
const freeing = (where: string): string => `
WITH freed AS (
  UPDATE turns s SET steer = NULL, into_turn_id = NULL
  WHERE s.tenant = $1 AND s.session_key = $2 AND ${isSteered("s")} AND s.into_turn_id = $3 ${where}
  RETURNING s.turn_id
)
UPDATE lanes SET depth = depth + (SELECT count(*) FROM freed)
WHERE tenant = $1 AND session_key = $2 AND EXISTS (SELECT FROM freed)`;

const FREE_STEERS = {
  name: "runner_free_steers",
  text: freeing(`AND EXISTS (SELECT FROM lanes l WHERE l.tenant = $1 AND l.session_key = $2
      AND l.active_turn_id = $3 AND l.holder_run_id = $4)`),
};

/**
 * Messages that were handed to a turn which is about to end without an answer are turns of their own
 * again, as long as the turn still holds its lane: once that is free, a later one could overtake them.
 */
export function freeSteers(db: RunnerDatabase, host: Held): Promise<void> {
  const { tenant, sessionKey, turnId, runId } = host;
  return db.transaction(async (sql) => {
    await lockLane(sql, tenant, sessionKey);
    await sql.query(FREE_STEERS, [tenant, sessionKey, turnId, runId]);
  });
}

const FREE_OF_WAITING = { name: "runner_free_steers_of_waiting", text: freeing("") };

/**
 * The same for a host that was given back to its queue and ends there. Under the lane's lock, with its
 * end: who claims the head next finds them in their place.
 */
export async function freeSteersOfWaiting(
  sql: Sql,
  { tenant, sessionKey, turnId }: Pick<Held, "tenant" | "sessionKey" | "turnId">,
): Promise<void> {
  await sql.query(FREE_OF_WAITING, [tenant, sessionKey, turnId]);
}

const ENDED_HOSTS = {
  name: "runner_ended_steer_hosts",
  text: `
SELECT DISTINCT s.tenant, s.session_key AS "sessionKey", s.into_turn_id AS "turnId"
FROM turns s JOIN turns h ON h.tenant = s.tenant AND h.turn_id = s.into_turn_id
WHERE ${isQueued("s")} AND s.steer IS NOT NULL AND h.end_time IS NOT NULL LIMIT $1`,
};

/** Turns that ended and whose steers are not settled yet. */
export function endedSteerHosts(
  sql: Sql,
  limit: number,
): Promise<{ readonly tenant: string; readonly sessionKey: string; readonly turnId: string }[]> {
  return rows(sql, ENDED_HOSTS, [limit]);
}
