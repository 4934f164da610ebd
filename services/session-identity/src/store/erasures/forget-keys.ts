import type { CanonicalKey } from "@lanekeeper/session-key";
import type { Tx } from "../db.ts";
import { giveBack, tellGone } from "../keys/gone-keys.ts";

/**
 * A peer's equivalences and links go with the last name that is bound for any of its spellings. The floors rise
 * to the largest numbers of what goes, so that no name that comes back has one twice.
 */
const FORGET = {
  name: "forget_erased_keys",
  text: `
    with gone as (
      delete from session_keys where tenant = $1 and session_key = any($2::text[])
      returning tenant, session_key, session_id, generation, run_epoch, revision
    ), gone_generations as (
      delete from generations where tenant = $1 and session_key = any($2::text[])
    ), gone_bindings as (
      delete from key_bindings where tenant = $1 and session_key = any($2::text[])
      returning tenant, agent_id, party
    ), roots as (
      select distinct b.agent_id, coalesce(e.root_party, b.party) as root
      from gone_bindings b
      left join peer_equivalences e on e.tenant = $1 and e.agent_id = b.agent_id and e.party = b.party
      where b.party is not null
    ), spellings as (
      select agent_id, root, root as party from roots
      union
      select r.agent_id, r.root, e.party from roots r
      join peer_equivalences e on e.tenant = $1 and e.agent_id = r.agent_id and e.root_party = r.root
    ), nameless as (
      select s.agent_id, s.party from spellings s
      where not exists (
        select from spellings o
        join key_bindings b on b.tenant = $1 and b.agent_id = o.agent_id and b.party = o.party
        where o.agent_id = s.agent_id and o.root = s.root and b.session_key <> all($2::text[]))
    ), gone_equivalences as (
      delete from peer_equivalences e using nameless n
      where e.tenant = $1 and e.agent_id = n.agent_id and e.party = n.party
    ), gone_links as (
      delete from person_links l using nameless n
      where l.tenant = $1 and l.agent_id = n.agent_id and l.party = n.party
    ), raised as (
      insert into tenant_floors (tenant, generation, run_epoch, revision)
      select $1, max(coalesce(generation, 0)), max(run_epoch), max(revision) from gone having count(*) > 0
      on conflict (tenant) do update set
        generation = greatest(tenant_floors.generation, excluded.generation),
        run_epoch = greatest(tenant_floors.run_epoch, excluded.run_epoch),
        revision = greatest(tenant_floors.revision, excluded.revision)
    ), given_back as (${giveBack("$3")}
    )${tellGone("ERASURE")}`,
};

/**
 * Takes away keys that the transaction has locked, with their sessions and every name that is bound to them, and gives
 * the tenant back what they took of its quota. Runs, replies, recorded answers and the journal go by their own
 * retention.
 */
export async function forgetKeys(
  tx: Tx,
  tenant: string,
  keys: readonly CanonicalKey[],
  usageShard: number,
): Promise<void> {
  await tx.query(FORGET, [tenant, keys, usageShard]);
}
