import type { Held } from "../lanes/claim-head.ts";
import { lockLane } from "../lanes/lane-row.ts";
import { first, type RunnerDatabase, type Sql } from "../sql.ts";
import { stateIn } from "../state-in.ts";

/** A turn whose outcome the turn that sent it is to hear of. */
export interface ChildTurn {
  readonly tenant: string;
  readonly childTurnId: string;
  readonly parentTurnId: string;
  readonly parentSessionKey: string;
  readonly principal: string;
  /** Its reply goes out through delivery. */
  readonly isRouted: boolean;
  /** The parent waits for it. */
  readonly isAwaited: boolean;
}

const INSERT = {
  name: "runner_insert_child_turn",
  text: `
INSERT INTO child_turns (tenant, child_turn_id, parent_turn_id, parent_session_key, principal,
  is_routed, is_awaited, create_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())`,
};

/** In the transaction that admits the child. */
export async function insertChildTurn(sql: Sql, child: ChildTurn): Promise<void> {
  await sql.query(INSERT, [
    child.tenant,
    child.childTurnId,
    child.parentTurnId,
    child.parentSessionKey,
    child.principal,
    child.isRouted,
    child.isAwaited,
  ]);
}

const HOLDS = {
  name: "runner_holds_turn",
  text: `
SELECT turn_id FROM turns
WHERE tenant = $1 AND turn_id = $2 AND run_id = $3 AND ${stateIn("state", "ACTIVE")}
FOR SHARE`,
};

/**
 * Whether a run holds its turn, until the end of the transaction: a takeover waits. Lanes that the
 * transaction needs are locked before.
 */
export async function holdsTurn(
  sql: Sql,
  run: Pick<Held, "tenant" | "turnId" | "runId">,
): Promise<boolean> {
  return (await first(sql, HOLDS, [run.tenant, run.turnId, run.runId])) !== undefined;
}

/**
 * The outcome is the parent's tool's. Was it told as a turn before, that one waits behind the parent in
 * the same lane: it is tied to the parent, answered with it, and a turn again if the parent fails.
 */
const TAKE = {
  name: "runner_take_child_turn",
  text: `
WITH child AS (
  UPDATE child_turns SET told = 1 WHERE tenant = $1 AND child_turn_id = $2 AND parent_turn_id = $3
  RETURNING told_turn_id
), tied AS (
  UPDATE turns t SET steer = 2, into_turn_id = $3 FROM child
  WHERE t.tenant = $1 AND t.turn_id = child.told_turn_id AND t.session_key = $4
    AND ${stateIn("t.state", "QUEUED")} AND t.run_id IS NULL AND t.steer IS NULL
  RETURNING t.turn_id
)
UPDATE lanes SET depth = depth - (SELECT count(*) FROM tied) WHERE tenant = $1 AND session_key = $4`,
};

/** The parent, which waits, has the outcome. False: its run holds the turn no more. */
export function takeChildTurn(
  db: RunnerDatabase,
  parent: Held,
  childTurnId: string,
): Promise<boolean> {
  const { tenant, sessionKey, turnId } = parent;
  return db.transaction(async (sql) => {
    await lockLane(sql, tenant, sessionKey);
    if (!(await holdsTurn(sql, parent))) return false;
    await sql.query(TAKE, [tenant, childTurnId, turnId, sessionKey]);
    return true;
  });
}

const RELEASE = {
  name: "runner_release_child_turn",
  text: `
UPDATE child_turns SET is_awaited = false
WHERE tenant = $1 AND child_turn_id = $2 AND told IS NULL`,
};

/** The parent waits no more: the outcome becomes a turn. */
export async function releaseChildTurn(
  sql: Sql,
  tenant: string,
  childTurnId: string,
): Promise<void> {
  await sql.query(RELEASE, [tenant, childTurnId]);
}

const UNROUTE = {
  name: "runner_unroute_child_turn",
  text: "UPDATE child_turns SET is_routed = false WHERE tenant = $1 AND child_turn_id = $2",
};

/** Its reply has nothing that delivery could bring: the runner tells the outcome itself. */
export async function unrouteChildTurn(
  sql: Sql,
  tenant: string,
  childTurnId: string,
): Promise<void> {
  await sql.query(UNROUTE, [tenant, childTurnId]);
}

/** The parent's turn ended without having committed. Of the row `c`. */
export const ENDED_OTHERWISE = `EXISTS (SELECT FROM turns p WHERE p.tenant = c.tenant
  AND p.turn_id = c.parent_turn_id AND p.end_time IS NOT NULL AND NOT ${stateIn("p.state", "COMPLETED")})`;

const TELL = {
  name: "runner_tell_child_turn",
  text: `
WITH child AS (
  UPDATE child_turns c SET told = 2, told_turn_id = $3, is_settled = true
  WHERE c.tenant = $1 AND c.child_turn_id = $2 AND c.told_turn_id IS NULL
    AND (c.told IS NULL OR ${ENDED_OTHERWISE})
  RETURNING c.tenant
)
UPDATE turns t SET child_turn_id = $2 FROM child WHERE t.tenant = $1 AND t.turn_id = $3
RETURNING t.turn_id`,
};

/**
 * The outcome is this turn, which the transaction has just admitted under its lane's lock. False: it was
 * told before, or the parent has it as its tool's result.
 */
export async function tellChildTurn(
  sql: Sql,
  tenant: string,
  childTurnId: string,
  toldTurnId: string,
): Promise<boolean> {
  return (await first(sql, TELL, [tenant, childTurnId, toldTurnId])) !== undefined;
}

export const CHILD_COLUMNS = `c.tenant, c.child_turn_id AS "childTurnId", c.parent_turn_id AS "parentTurnId",
  c.parent_session_key AS "parentSessionKey", c.principal, c.is_routed AS "isRouted",
  c.is_awaited AS "isAwaited", c.told_turn_id AS "toldTurnId"`;

/** As it is stored. */
export type StoredChildTurn = ChildTurn & { readonly toldTurnId: string | null };

const READ = {
  name: "runner_read_child_turn",
  text: `SELECT ${CHILD_COLUMNS} FROM child_turns c WHERE c.tenant = $1 AND c.child_turn_id = $2`,
};

export function readChildTurn(
  sql: Sql,
  tenant: string,
  childTurnId: string,
): Promise<StoredChildTurn | undefined> {
  return first(sql, READ, [tenant, childTurnId]);
}

const GIVE_UP = {
  name: "runner_give_up_child_turn",
  text: "UPDATE child_turns SET is_settled = true WHERE tenant = $1 AND child_turn_id = $2",
};

/** There is no session any more that could be told. */
export async function giveUpChildTurn(
  sql: Sql,
  { tenant, childTurnId }: Pick<ChildTurn, "tenant" | "childTurnId">,
): Promise<void> {
  await sql.query(GIVE_UP, [tenant, childTurnId]);
}

const SETTLE = {
  name: "runner_settle_child_turns",
  text: `
UPDATE child_turns c SET is_settled = true FROM turns p
WHERE NOT c.is_settled AND c.told = 1 AND p.tenant = c.tenant AND p.turn_id = c.parent_turn_id
  AND ${stateIn("p.state", "COMPLETED")}`,
};

const FORGET = {
  name: "runner_forget_child_turns",
  text: `
DELETE FROM child_turns WHERE (tenant, child_turn_id) IN (
  SELECT tenant, child_turn_id FROM child_turns
  WHERE create_time < clock_timestamp() - $1 * interval '1 ms' LIMIT $2)`,
};

/** Settles those whose parent has committed their outcome, and removes those that are long past. */
export async function forgetChildTurns(
  sql: Sql,
  olderThanMs: number,
  limit: number,
): Promise<number> {
  await sql.query(SETTLE);
  return (await sql.query(FORGET, [olderThanMs, limit])).rowCount;
}
