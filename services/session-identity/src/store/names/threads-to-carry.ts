import type { Query } from "../db.ts";
import type { Asker } from "../journal/journal-rows.ts";
import type { Bearer } from "./peer-relations.ts";

/** A peer by the spelling that stays, and the person that it is linked to. */
export interface PeerSide {
  readonly party: string;
  readonly person?: string | undefined;
}

/** Whose threads go on under new names. */
export interface CarriedPeer {
  /** All spellings of the peer. */
  readonly parties: readonly string[];
  /** As names of the peer were read before, and are read now. */
  readonly before: PeerSide;
  readonly after: PeerSide;
  readonly note: string;
}

/** Threads that are still to be carried. */
export interface NotedCarry extends Bearer {
  readonly carryId: bigint;
  readonly what: CarriedPeer;
  readonly asker: Asker;
  /** Since they were renamed. */
  readonly ageMs: number;
}

/** In the transaction that renames them. */
export async function noteCarry(
  query: Query,
  { tenant, agentId }: Bearer,
  what: CarriedPeer,
  asker: Asker,
): Promise<void> {
  await query.query(
    "insert into threads_to_carry (tenant, agent_id, what, asker) values ($1, $2, $3::jsonb, $4::jsonb)",
    [tenant, agentId, JSON.stringify(what), JSON.stringify(asker)],
  );
}

const COLUMNS = `tenant, agent_id as "agentId", carry_id as "carryId", what, asker,
  (extract(epoch from clock_timestamp() - create_time) * 1000)::float8 as "ageMs"`;

/** What is noted for an agent's peers, in the order of the acts. */
export async function carriesOf(
  query: Query,
  { tenant, agentId }: Bearer,
  limit: number,
): Promise<readonly NotedCarry[]> {
  const { rows } = await query.query<NotedCarry>(
    `select ${COLUMNS} from threads_to_carry where tenant = $1 and agent_id = $2
     order by carry_id limit $3`,
    [tenant, agentId, limit],
  );
  return rows;
}

/** What nobody has tried for so long, whosever it is: what was tried longest ago first. */
export async function leftCarries(
  query: Query,
  untriedMs: number,
  limit: number,
): Promise<readonly NotedCarry[]> {
  const { rows } = await query.query<NotedCarry>(
    `select ${COLUMNS} from threads_to_carry
     where try_time < clock_timestamp() - $1::float8 * interval '1 millisecond'
     order by try_time, carry_id limit $2`,
    [untriedMs, limit],
  );
  return rows;
}

/** It was tried, and is to be tried again. */
export async function tryCarryLater(query: Query, carry: NotedCarry): Promise<void> {
  await query.query(
    `update threads_to_carry set try_time = clock_timestamp()
     where tenant = $1 and agent_id = $2 and carry_id = $3`,
    [carry.tenant, carry.agentId, carry.carryId],
  );
}

/** Nothing is left to be done about it. */
export async function removeCarry(query: Query, carry: NotedCarry): Promise<void> {
  await query.query(
    "delete from threads_to_carry where tenant = $1 and agent_id = $2 and carry_id = $3",
    [carry.tenant, carry.agentId, carry.carryId],
  );
}
