import { first, type Sql } from "../sql.ts";

/** A lane as it stands. */
export interface LaneRow {
  readonly depth: number;
  readonly activeTurnId: string | undefined;
  readonly holderRunId: string | undefined;
  readonly personsServed: number;
}

const columns = `depth, active_turn_id AS "activeTurnId", holder_run_id AS "holderRunId",
  persons_served AS "personsServed"`;

const LOCK_LANE = {
  name: "runner_lock_lane",
  text: `SELECT ${columns} FROM lanes WHERE tenant = $1 AND session_key = $2 FOR UPDATE`,
};

/** Locks a lane for the rest of the transaction; undefined: nobody spoke there yet. */
export async function lockLane(
  sql: Sql,
  tenant: string,
  sessionKey: string,
): Promise<LaneRow | undefined> {
  return defined(await first(sql, LOCK_LANE, [tenant, sessionKey]));
}

const CREATE_LANE = {
  name: "runner_create_lane",
  text: `
INSERT INTO lanes (tenant, session_key, next_seq, depth) VALUES ($1, $2, 1, 0)
ON CONFLICT (tenant, session_key) DO NOTHING`,
};

/** Locks a lane that need not exist yet, so that two first contacts wait for each other too. */
export async function lockOrCreateLane(
  sql: Sql,
  tenant: string,
  sessionKey: string,
): Promise<LaneRow> {
  const lane = await lockLane(sql, tenant, sessionKey);
  if (lane !== undefined) return lane;
  await sql.query(CREATE_LANE, [tenant, sessionKey]);
  const made = await lockLane(sql, tenant, sessionKey);
  if (made === undefined)
    throw new Error(
      "a lane that was just made is gone; only idle ones of keys that went are removed",
    );
  return made;
}

const READ_LANE = {
  name: "runner_read_lane",
  text: `SELECT ${columns} FROM lanes WHERE tenant = $1 AND session_key = $2`,
};

export async function readLane(
  sql: Sql,
  tenant: string,
  sessionKey: string,
): Promise<LaneRow | undefined> {
  return defined(await first(sql, READ_LANE, [tenant, sessionKey]));
}

interface RawLane {
  readonly depth: number;
  readonly activeTurnId: string | null;
  readonly holderRunId: string | null;
  readonly personsServed: number;
}

function defined(row: RawLane | undefined): LaneRow | undefined {
  if (row === undefined) return undefined;
  return {
    ...row,
    activeTurnId: row.activeTurnId ?? undefined,
    holderRunId: row.holderRunId ?? undefined,
  };
}
