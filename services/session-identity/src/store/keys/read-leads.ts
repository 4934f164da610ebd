import type { Query } from "../db.ts";

/** What leads a typed peer to its key, beside its own spelling. */
export interface LedBy {
  readonly agentId: string;
  /** The spelling of the peer without its thread. */
  readonly party: string;
  /** The spelling that stays, where that is another. */
  readonly root: string | undefined;
  /** The person that it is linked to. */
  readonly person: string | undefined;
}

export interface LedName {
  readonly tenant: string;
  readonly ledBy: LedBy;
}

const READ_LEADS = {
  name: "read_leads",
  text: `
    select
      (select e.root_party from peer_equivalences e where e.tenant = w.tenant
        and e.agent_id = w.agent_id and e.party = w.party) is not distinct from w.root
      and (select l.person from person_links l where l.tenant = w.tenant
        and l.agent_id = w.agent_id and l.party = coalesce(w.root, w.party)) is not distinct from w.person
        as still
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
      with ordinality as w(tenant, agent_id, party, root, person, place)
    order by w.place`,
};

/**
 * Whether each peer still leads where it was read to. Asked once the key's row is locked: an equivalence or a
 * link locks the rows of the keys whose names it leads elsewhere, so it is either seen here, or finds
 * the session that is opened.
 */
export async function readStillLed(
  query: Query,
  names: readonly LedName[],
): Promise<readonly boolean[]> {
  const { rows } = await query.query<{ still: boolean }>(READ_LEADS, [
    names.map(({ tenant }) => tenant),
    names.map(({ ledBy }) => ledBy.agentId),
    names.map(({ ledBy }) => ledBy.party),
    names.map(({ ledBy }) => ledBy.root ?? null),
    names.map(({ ledBy }) => ledBy.person ?? null),
  ]);
  return rows.map(({ still }) => still);
}
