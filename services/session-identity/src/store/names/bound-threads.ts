import { type CanonicalPeer, parsePeerSpelling } from "@lanekeeper/session-key";
import type { Query } from "../db.ts";
import type { Bearer } from "./peer-relations.ts";

const OF_PEER = "tenant = $1 and agent_id = $2 and party = any($3::text[]) and name <> party";

/** Threads of a peer, under any of its spellings, that somebody spoke in: the last used first. */
export async function lastThreads(
  query: Query,
  { tenant, agentId }: Bearer,
  parties: readonly string[],
  limit: number,
): Promise<readonly CanonicalPeer[]> {
  const { rows } = await query.query<{ name: string }>(
    `select name from key_bindings where ${OF_PEER} order by last_seen_time desc limit $4`,
    [tenant, agentId, parties, limit],
  );
  return rows.flatMap(({ name }) => parsePeerSpelling(name) ?? []);
}

/** All of them, a page at a time, in the order of their names. */
export async function* allThreads(
  query: Query,
  { tenant, agentId }: Bearer,
  parties: readonly string[],
  pageRows: number,
): AsyncGenerator<readonly CanonicalPeer[]> {
  for (let after = ""; ; ) {
    const { rows } = await query.query<{ name: string }>(
      `select name from key_bindings where ${OF_PEER} and name > $5 order by name limit $4`,
      [tenant, agentId, parties, pageRows, after],
    );
    yield rows.flatMap(({ name }) => parsePeerSpelling(name) ?? []);
    if (rows.length < pageRows) return;
    after = rows.at(-1)?.name ?? after;
  }
}
