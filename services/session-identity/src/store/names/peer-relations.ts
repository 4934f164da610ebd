import type { Query } from "../db.ts";

/** A tenant's agent: what equivalences and links belong to. */
export interface Bearer {
  readonly tenant: string;
  readonly agentId: string;
}

/** The spelling that stays, for each of these; itself where no equivalence says otherwise. */
export async function rootsOf(
  query: Query,
  { tenant, agentId }: Bearer,
  parties: readonly string[],
): Promise<readonly string[]> {
  const { rows } = await query.query<{ party: string; root_party: string }>(
    `select party, root_party from peer_equivalences
     where tenant = $1 and agent_id = $2 and party = any($3::text[])`,
    [tenant, agentId, parties],
  );
  const roots = new Map(rows.map((row) => [row.party, row.root_party]));
  return parties.map((party) => roots.get(party) ?? party);
}

/** The persons that peers are linked to. */
export async function personsOf(
  query: Query,
  { tenant, agentId }: Bearer,
  parties: readonly string[],
): Promise<readonly (string | undefined)[]> {
  const { rows } = await query.query<{ party: string; person: string }>(
    `select party, person from person_links
     where tenant = $1 and agent_id = $2 and party = any($3::text[])`,
    [tenant, agentId, parties],
  );
  const persons = new Map(rows.map((row) => [row.party, row.person]));
  return parties.map((party) => persons.get(party));
}

/** These roots, and all spellings that lead to them. */
export async function spellingsOf(
  query: Query,
  { tenant, agentId }: Bearer,
  roots: readonly string[],
): Promise<readonly string[]> {
  const { rows } = await query.query<{ party: string }>(
    `select party from peer_equivalences
     where tenant = $1 and agent_id = $2 and root_party = any($3::text[])`,
    [tenant, agentId, roots],
  );
  return [...roots, ...rows.map(({ party }) => party)];
}

/** All spellings of `old` become spellings of `root`, and so does `old` itself. */
export async function joinSpellings(
  query: Query,
  { tenant, agentId }: Bearer,
  old: string,
  root: string,
  source: string,
): Promise<void> {
  await query.query(
    `update peer_equivalences set root_party = $4
     where tenant = $1 and agent_id = $2 and root_party = $3`,
    [tenant, agentId, old, root],
  );
  await query.query(
    `insert into peer_equivalences (tenant, agent_id, party, root_party, source, create_time)
     values ($1, $2, $3, $4, $5, clock_timestamp())
     on conflict (tenant, agent_id, party) do update set root_party = excluded.root_party`,
    [tenant, agentId, old, root, source],
  );
}

/** Links a peer to a person; a new link takes the place of an old one. Gives when the link was made. */
export async function linkPerson(
  query: Query,
  { tenant, agentId }: Bearer,
  party: string,
  person: string,
): Promise<Date> {
  const { rows } = await query.query<{ create_time: Date }>(
    `insert into person_links (tenant, agent_id, party, person, create_time)
     values ($1, $2, $3, $4, clock_timestamp())
     on conflict (tenant, agent_id, party) do update set person = excluded.person,
       create_time = case when person_links.person = excluded.person
         then person_links.create_time else excluded.create_time end
     returning create_time`,
    [tenant, agentId, party, person],
  );
  const [row] = rows;
  if (row === undefined) throw new Error("an upsert gives its row");
  return row.create_time;
}
