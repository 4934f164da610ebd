import { type CanonicalPeer, parsePeerSpelling } from "@lanekeeper/session-key";
import type { Query } from "../db.ts";
import type { Bearer } from "./peer-relations.ts";

/** Threads of a peer, under any of its spellings, that somebody spoke in: the last used first. */
export async function boundThreads(
  query: Query,
  { tenant, agentId }: Bearer,
  parties: readonly string[],
  limit: number,
): Promise<readonly CanonicalPeer[]> {
  const { rows } = await query.query<{ name: string }>(
    `select name from key_bindings
     where tenant = $1 and agent_id = $2 and party = any($3::text[]) and name <> party
     order by last_seen_time desc limit $4`,
    [tenant, agentId, parties, limit],
  );
  return rows.flatMap(({ name }) => parsePeerSpelling(name) ?? []);
}
