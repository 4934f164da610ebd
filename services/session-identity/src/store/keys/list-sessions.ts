import { keyIsWithin } from "@lanekeeper/postgres";
import { hasSession, type StandingKey } from "../../domain/key-state.ts";
import type { Query } from "../db.ts";
import { type KeyRow, stateOf } from "./key-row.ts";

export interface SessionsWanted {
  readonly tenant: string;
  /** Every key begins so. */
  readonly prefix: string;
  /** Empty: any agent. */
  readonly agents: readonly string[];
  /** Every key begins with one of these; empty: any. */
  readonly keyPrefixes: readonly string[];
  readonly runningOnly: boolean;
  /** Keys after this one; empty: from the first. */
  readonly after: string;
  readonly limit: number;
}

/** In collation "C" no key begins with its prefix and sorts behind prefix + U+10FFFF. */
const IN_RANGE = `k.tenant = $1 and k.session_key > $2 and k.session_key >= $3
      and k.session_key < $3 || U&'\\+10FFFF'
      and ${keyIsWithin("k.session_key", "$4", "$5")}
      and (k.moved_to is null or ${keyIsWithin("k.moved_to", "$4", "$5")})
      and k.session_id is not null and not k.internal`;

const LIST_SESSIONS = {
  name: "list_sessions",
  text: `select k.* from session_keys k where ${IN_RANGE} order by k.session_key limit $6`,
};

/** Starts from the runs that hold keys, which are few, rather than from all keys. */
const LIST_RUNNING = {
  name: "list_running",
  text: `
    select k.* from runs r join session_keys k on k.tenant = r.tenant and k.session_key = r.session_key
    where r.tenant = $1 and r.state = 'active' and r.session_key > $2 and ${IN_RANGE}
    order by r.session_key limit $6`,
};

/**
 * Sessions in key order; internal ones are never listed, nor what was merged into a key outside the bounds,
 * whose name it would tell.
 */
export async function listSessions(
  query: Query,
  wanted: SessionsWanted,
): Promise<readonly StandingKey[]> {
  const statement = wanted.runningOnly ? LIST_RUNNING : LIST_SESSIONS;
  const { tenant, after, prefix, agents, keyPrefixes, limit } = wanted;
  const values = [tenant, after, prefix, agents, keyPrefixes, limit];
  const { rows } = await query.query<KeyRow>(statement, values);
  return rows.map(stateOf).filter(hasSession);
}
