import { LIMITS } from "../../limits.ts";
import type { Db, Tx } from "../db.ts";
import { giveBack, tellGone } from "../keys/gone-keys.ts";

/** Those that whoever works with them holds locked are left for another sweep. */
const LOCK_DUE = {
  name: "lock_due_minted",
  text: `
    select k.tenant, k.session_key from session_keys k
    where k.kept_until < $1
    order by k.kept_until limit $2
    for update skip locked`,
};

/** When the key `k` was used last, as far as its row tells: an ended run stands there until the next rotation. */
const USED = `greatest(k.bind_time, k.create_time, k.rotate_time, k.person_time, k.active_heartbeat_time,
        to_timestamp((k.last_run->>'endMs')::float8 / 1000))`;

/** Whether something goes by the key `k` whatever its age: a run, a send, other keys' names and histories. */
const NEEDED = `(
        k.active_run_id is not null or k.alias_of is not null or k.moved_to is not null
        or k.absorbed is not null
        or exists (select from session_keys a where a.tenant = k.tenant and a.alias_of = k.session_key)
        or exists (select from session_keys m where m.tenant = k.tenant and m.moved_to = k.session_key)
        or exists (select from replies p where p.tenant = k.tenant and p.session_key = k.session_key
          and p.state = 'sending')
        or exists (select from generations g
          join generations c on c.tenant = g.tenant and c.parent_session_id = g.session_id
          where g.tenant = k.tenant and g.session_key = k.session_key and c.session_key <> k.session_key))`;

/**
 * Judges the keys that the transaction has locked, in a statement of its own, which sees what those who held
 * the locks before have committed. One that was used since is looked at again once that use is so long ago.
 * Runs, replies, recorded answers and the journal go by their own retention. A name that an earlier release has
 * bound is the key itself.
 */
const FORGET = {
  name: "forget_minted",
  text: `
    with due as materialized (
      select k.tenant, k.session_key, k.agent_id, k.session_id, k.generation, ${NEEDED} as needed,
        ${USED} + $4::float8 * interval '1 millisecond' as goes_time
      from unnest($1::text[], $2::text[]) as w(tenant, session_key)
      join session_keys k on k.tenant = w.tenant and k.session_key = w.session_key
    ), kept as (
      update session_keys k
      set kept_until = greatest(d.goes_time,
        $3::timestamptz + case when d.needed then $4::float8 else $5::float8 end * interval '1 millisecond')
      from due d
      where k.tenant = d.tenant and k.session_key = d.session_key and (d.needed or d.goes_time >= $3)
    ), gone as (
      delete from session_keys k using due d
      where k.tenant = d.tenant and k.session_key = d.session_key and not (d.needed or d.goes_time >= $3)
      returning k.tenant, k.session_key, d.agent_id, d.session_id, d.generation
    ), gone_generations as (
      delete from generations g using gone
      where g.tenant = gone.tenant and g.session_key = gone.session_key
    ), gone_bindings as (
      delete from key_bindings b using gone
      where b.tenant = gone.tenant and b.agent_id = gone.agent_id and b.kind = 'raw'
        and b.name = gone.session_key
      returning b.tenant
    ), told as (${tellGone("RETENTION")}
    ), given_back as (${giveBack("$6")}
    )
    select count(*)::int as count from gone`,
};

/**
 * Takes away keys that the system minted, with their sessions, once nobody has used them for as long as they are
 * kept, and gives the tenant back what they took of its quota. Gives how many. Their names are not given again.
 */
export async function forgetMinted(
  db: Db,
  { usageShard }: { readonly usageShard: number },
  nowMs: number,
  signal: AbortSignal,
): Promise<number> {
  let total = 0;
  for (let round = 0; round < LIMITS.sweepRounds && !signal.aborted; round += 1) {
    const { looked, gone } = await db.transaction((tx) => forgetPage(tx, usageShard, nowMs));
    total += gone;
    if (looked < LIMITS.mintedPageRows) break;
  }
  return total;
}

async function forgetPage(tx: Tx, usageShard: number, nowMs: number) {
  const now = new Date(nowMs);
  const { rows } = await tx.query<{ readonly tenant: string; readonly session_key: string }>(
    LOCK_DUE,
    [now, LIMITS.mintedPageRows],
  );
  if (rows.length === 0) return { looked: 0, gone: 0 };
  const { rows: told } = await tx.query<{ readonly count: number }>(FORGET, [
    rows.map(({ tenant }) => tenant),
    rows.map(({ session_key: key }) => key),
    ...[now, LIMITS.mintedRetentionMs, LIMITS.mintedGraceMs, usageShard],
  ]);
  return { looked: rows.length, gone: told[0]?.count ?? 0 };
}
