import { keyIsWithin, pageOf, pageOfBytes, type PageRow } from "@lanekeeper/postgres";
import { isBound } from "@lanekeeper/session-key";
import { rows, type Sql } from "../sql.ts";
import { type StoredTurn, TURN_COLUMNS, type TurnRow, turnOf } from "../turn-row.ts";

/** Which turns to list; what is undefined does not narrow. */
export interface TurnFilter {
  readonly sessionKey: string | undefined;
  readonly state: number | undefined;
  readonly requestId: string | undefined;
  readonly traceId: string | undefined;
  readonly parentTurnId: string | undefined;
  /** The turn that they went into; give its lane too: no index leads from one to the other. */
  readonly intoTurnId: string | undefined;
  /** Older than this one. */
  readonly beforeTurnId: string | undefined;
  /** What the credential is bound to; empty: nothing. */
  readonly agents: readonly string[];
  readonly keyPrefixes: readonly string[];
  readonly limit: number;
  /** Of what was said in them; the turn that goes over it is the page's last. */
  readonly maxBytes: number;
}

export interface TurnPage {
  readonly turns: readonly StoredTurn[];
  readonly isMore: boolean;
}

const COLUMN_OF = {
  sessionKey: "session_key",
  state: "state",
  requestId: "request_id",
  traceId: "trace_id",
  parentTurnId: "parent_turn_id",
  intoTurnId: "into_turn_id",
} as const;

/** A turn without a session is its agent's; under prefixes none of those is told. */
const KEY_OF_TURN = `coalesce(t.session_key, 'agent:' || t.agent_id || ':')`;

const BYTES = `coalesce(octet_length(t.reply), 0) +
  (SELECT coalesce(sum(octet_length(said)), 0) FROM unnest(t.input || t.seed) AS said)`;

/** A tenant's turns, newest first. */
export async function listTurns(sql: Sql, tenant: string, filter: TurnFilter): Promise<TurnPage> {
  const params: unknown[] = [tenant];
  const bound = (value: unknown): string => `$${params.push(value)}`;
  const conditions = ["t.tenant = $1"];
  for (const [name, column] of Object.entries(COLUMN_OF)) {
    const value = filter[name as keyof typeof COLUMN_OF];
    if (value !== undefined) conditions.push(`t.${column} = ${bound(value)}`);
  }
  if (filter.beforeTurnId !== undefined)
    conditions.push(`t.turn_id < ${bound(filter.beforeTurnId)}`);
  if (isBound(filter)) {
    const [agents, prefixes] = [bound(filter.agents), bound(filter.keyPrefixes)];
    conditions.push(keyIsWithin(KEY_OF_TURN, agents, prefixes));
  }
  const select = `SELECT ${TURN_COLUMNS}, ${BYTES} AS "pageBytes" FROM turns t
    WHERE ${conditions.join(" AND ")} ORDER BY t.turn_id DESC LIMIT ${bound(filter.limit + 1)}`;
  const order = "turn_id DESC";
  const text = pageOfBytes({ select, order, maxBytes: bound(filter.maxBytes) });
  const found = await rows<TurnRow & PageRow>(sql, text, params);
  const { page, isMore } = pageOf(found, filter.limit);
  return { turns: page.map(turnOf), isMore };
}

const LIST_QUEUED = {
  name: "runner_list_queued",
  text: `SELECT ${TURN_COLUMNS} FROM turns t WHERE t.tenant = $1 AND t.turn_id = ANY ($2::uuid[])`,
};

/** These turns, in the order given. */
export async function readTurns(
  sql: Sql,
  tenant: string,
  turnIds: readonly string[],
): Promise<StoredTurn[]> {
  const found = (await rows<TurnRow>(sql, LIST_QUEUED, [tenant, turnIds])).map(turnOf);
  const byId = new Map(found.map((turn) => [turn.turnId, turn]));
  return turnIds.flatMap((turnId) => byId.get(turnId) ?? []);
}
