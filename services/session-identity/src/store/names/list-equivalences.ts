import { type CanonicalPeer, parsePeerSpelling } from "@lanekeeper/session-key";
import type { Query } from "../db.ts";
import { ms } from "../batch/values.ts";

/** Two spellings of one peer. */
export interface Equivalence {
  /** The spelling that stays. */
  readonly peer: CanonicalPeer;
  readonly sameAs: CanonicalPeer;
  readonly source: string;
  readonly createMs: number;
}

interface EquivalenceRow {
  readonly party: string;
  readonly root_party: string;
  readonly source: string;
  readonly create_time: Date;
}

const LIST_EQUIVALENCES = {
  name: "list_equivalences",
  text: `
    select e.party, e.root_party, e.source, e.create_time from peer_equivalences e
    where e.tenant = $1 and e.agent_id = $2 and e.root_party = coalesce(
      (select r.root_party from peer_equivalences r
        where r.tenant = $1 and r.agent_id = $2 and r.party = $3), $3)
    order by e.party`,
};

/** All spellings of the peer that is called so; none for a raw name, whose party is empty. */
export async function listEquivalences(
  query: Query,
  tenant: string,
  agentId: string,
  party: string,
): Promise<readonly Equivalence[]> {
  if (party === "") return [];
  const { rows } = await query.query<EquivalenceRow>(LIST_EQUIVALENCES, [tenant, agentId, party]);
  return rows.flatMap((row) => {
    const peer = parsePeerSpelling(row.root_party);
    const sameAs = parsePeerSpelling(row.party);
    if (peer === undefined || sameAs === undefined) return [];
    return [{ peer, sameAs, source: row.source, createMs: ms(row.create_time) }];
  });
}
