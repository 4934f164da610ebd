import { originOf } from "../codec.ts";
import { rows, type Sql } from "../sql.ts";
import { isQueued } from "../state-in.ts";

const QUEUED = {
  name: "runner_queued_of_principal",
  text: `
SELECT turn_id AS "turnId", origin FROM turns
WHERE tenant = $1 AND session_key = $2 AND ${isQueued("turns")} AND principal = $3 AND turn_id <> $4
ORDER BY lane_seq DESC`,
};

/** A turn, and what it came as a part of. */
export interface OfGroup {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly principal: string;
  readonly turnId: string;
  /** Not empty. */
  readonly groupId: string;
}

/** The other turns of its group that wait, or that a turn has taken in; the last first. */
export async function openOfGroup(
  sql: Sql,
  { tenant, sessionKey, principal, turnId, groupId }: OfGroup,
): Promise<string[]> {
  const values = [tenant, sessionKey, principal, turnId];
  type Row = { readonly turnId: string; readonly origin: Buffer };
  const queued = await rows<Row>(sql, QUEUED, values);
  return queued
    .filter(({ origin }) => originOf(origin).groupId === groupId)
    .map((row) => row.turnId);
}
