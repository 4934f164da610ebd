import type { KeyState } from "../../domain/key-state.ts";
import type { Query } from "../db.ts";
import { NOW_MS, POSTMASTER_START_MS } from "../moments.ts";
import { type KeyRow, stateOf } from "../keys/key-row.ts";
import { type Moment, ms } from "../batch/values.ts";

/** One name to be looked up. */
export interface NameWanted {
  readonly tenant: string;
  readonly agentId: string;
  readonly kind: "raw" | "peer";
  /** As the ledger has it; empty: no ledger entry is possible. */
  readonly name: string;
  /** The text itself, where it may be a canonical key; else empty. */
  readonly own: string;
  /** What the rules make of the name; empty where they refuse it. */
  readonly candidate: string;
  /** Peers: the identity that equivalences and links are kept for; else empty. */
  readonly party: string;
}

export interface BindingRow {
  readonly sessionKey: string;
  readonly dmScope: string | undefined;
  readonly ruleSetVersion: number;
  readonly source: string;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}

export interface NameFound {
  /** Of the tenant's policies, how many typed channels it has, and on which server: what a cached Tenant is checked by. */
  readonly tenantVersion: bigint;
  readonly channelCount: bigint;
  readonly serverStartMs: number;
  readonly nowMs: number;
  readonly binding: BindingRow | undefined;
  /** The spelling that stays, where the peer's is another. */
  readonly root: string | undefined;
  readonly person: string | undefined;
  /** The row of the text itself, else of the binding's key, else of the candidate. */
  readonly key: KeyState | undefined;
  /** Where that row leads: an alias' or a merged key's target. */
  readonly target: KeyState | undefined;
}

interface NameRow {
  readonly tenant_version: bigint | null;
  readonly channel_count: bigint;
  readonly start_ms: number;
  readonly now_ms: number;
  readonly bound: {
    session_key: string;
    dm_scope: string | null;
    rule_set_version: number;
    source: string;
    first_seen_time: Moment;
    last_seen_time: Moment;
  } | null;
  readonly root: string | null;
  readonly person: string | null;
  readonly key: KeyRow | null;
  readonly target: KeyRow | null;
}

/** What some of the names of a statement need besides their ledger entry and key. */
interface Needs {
  /** The key that the text itself may be. */
  readonly own: boolean;
  /** Equivalences and links of a peer. */
  readonly party: boolean;
}

const OWN_KEY = `(select o.session_key from session_keys o
          where o.tenant = w.tenant and o.session_key = w.own)`;
const ROOT_PARTY = `(select e.root_party from peer_equivalences e where e.tenant = w.tenant
          and e.agent_id = w.agent_id and e.party = w.party)`;
const PERSON = `(select l.person from person_links l where l.tenant = w.tenant and l.agent_id = w.agent_id
          and l.party = coalesce(named.root, w.party))`;

/**
 * All that a bound name needs, for many names, in one statement without a transaction. A canonical key
 * that exists is its own binding, looked up before the ledger. Steps that `offset 0` keeps apart, since
 * seven joins take the planner longer than all of their index look-ups. Rows travel as json, which
 * costs half of jsonb: it is written, not built. What none of the names needs is left out: a sub-select is
 * set up whether or not it is run.
 */
function readNamesOf({ own, party }: Needs): { readonly name: string; readonly text: string } {
  const text = `
    select
      (select t.version from tenant_policies t where t.tenant = w.tenant) as tenant_version,
      (select count(*) from tenant_channels c where c.tenant = w.tenant) as channel_count,
      ${POSTMASTER_START_MS} as start_ms, ${NOW_MS} as now_ms,
      to_json(named.bound) as bound, named.root, led.person, to_json(led.key) as key,
      (select to_json(k) from session_keys k where k.tenant = w.tenant
        and k.session_key = coalesce((led.key).alias_of, (led.key).moved_to)) as target
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
      with ordinality as w(tenant, agent_id, kind, name, own, candidate, party, place)
    cross join lateral (
      select
        ${own ? OWN_KEY : "null::text"} as own,
        (select b from key_bindings b where b.tenant = w.tenant and b.agent_id = w.agent_id
          and b.kind = w.kind and b.name = w.name) as bound,
        ${party ? ROOT_PARTY : "null::text"} as root
      offset 0
    ) named
    cross join lateral (
      select
        ${party ? PERSON : "null::text"} as person,
        (select k from session_keys k where k.tenant = w.tenant
          and k.session_key = coalesce(named.own, (named.bound).session_key, w.candidate)) as key
      offset 0
    ) led
    order by w.place`;
  return { name: `read_names${own ? "_own" : ""}${party ? "_party" : ""}`, text };
}

const PLAIN = readNamesOf({ own: false, party: false });
const WITH_OWN = readNamesOf({ own: true, party: false });
const WITH_PARTY = readNamesOf({ own: false, party: true });
const WITH_BOTH = readNamesOf({ own: true, party: true });

function statementFor(wanted: readonly NameWanted[]) {
  const own = wanted.some((name) => name.own !== "");
  const party = wanted.some((name) => name.party !== "");
  if (own) return party ? WITH_BOTH : WITH_OWN;
  return party ? WITH_PARTY : PLAIN;
}

export async function readNames(
  query: Query,
  wanted: readonly NameWanted[],
): Promise<readonly NameFound[]> {
  const { rows } = await query.query<NameRow>(statementFor(wanted), [
    wanted.map(({ tenant }) => tenant),
    wanted.map(({ agentId }) => agentId),
    wanted.map(({ kind }) => kind),
    wanted.map(({ name }) => name),
    wanted.map(({ own }) => own),
    wanted.map(({ candidate }) => candidate),
    wanted.map(({ party }) => party),
  ]);
  return rows.map(foundOf);
}

function foundOf(row: NameRow): NameFound {
  return {
    tenantVersion: row.tenant_version ?? 0n,
    channelCount: row.channel_count,
    serverStartMs: row.start_ms,
    nowMs: row.now_ms,
    binding: row.bound === null ? undefined : bindingOf(row.bound),
    root: row.root ?? undefined,
    person: row.person ?? undefined,
    key: row.key === null ? undefined : stateOf(row.key),
    target: row.target === null ? undefined : stateOf(row.target),
  };
}

function bindingOf(row: NonNullable<NameRow["bound"]>): BindingRow {
  return {
    sessionKey: row.session_key,
    dmScope: row.dm_scope ?? undefined,
    ruleSetVersion: row.rule_set_version,
    source: row.source,
    firstSeenMs: ms(row.first_seen_time),
    lastSeenMs: ms(row.last_seen_time),
  };
}
