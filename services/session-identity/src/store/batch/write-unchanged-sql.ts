import { PARTS, XID } from "./write-batch-sql.ts";

/** The parts of turns that may be written for some of a batch's keys alone. */
const SEVERABLE = ["keys", "changes", "newRuns", "runs", "journal"] as const;

export type SeverablePart = (typeof SEVERABLE)[number];

/** A statement that writes parts, each a parameter behind those that say what has to stand. */
export interface UnchangedStatement {
  readonly name: string;
  readonly text: string;
  readonly parts: readonly SeverablePart[];
}

const made = new Map<string, UnchangedStatement>();

/** Parameters before those of the parts. */
const UNCHANGED_PARAMS = 7;

/**
 * Locks those rows that the transaction which is named for each wrote last: nobody has changed them since. A
 * server that was started anew may stand at a backup, whose later transactions have the ids of those it has
 * lost. What is locked by others is left to who waits for it, so that two such statements never wait for
 * each other.
 */
const UNCHANGED = `
    unchanged as materialized (
      select w.place, k.tenant, k.session_key
      from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) with ordinality
        as w(tenant, session_key, xid, policy_version, place)
      join session_keys k
        on k.tenant = w.tenant and k.session_key = w.session_key and k.xmin = w.xid::xid
      where floor(extract(epoch from pg_postmaster_start_time()) * 1000)::float8 = $5::float8
        and abs(extract(epoch from clock_timestamp()) * 1000 - $6::float8) <= $7::float8
        and (w.policy_version is null or w.policy_version = coalesce(
          (select t.version from tenant_policies t where t.tenant = w.tenant), 0))
      for no key update of k skip locked
    )`;

/** Everything that a batch changes, for those of its keys that stand as the writer knew them. */
export function unchangedStatement(needs: (part: SeverablePart) => boolean): UnchangedStatement {
  const name = `write_unchanged_${SEVERABLE.map((part) => Number(needs(part))).join("")}`;
  const known = made.get(name);
  if (known !== undefined) return known;
  const parts = SEVERABLE.filter(needs);
  const only = "(x.tenant, x.session_key) in (select u.tenant, u.session_key from unchanged u)";
  const written = parts.map((part, index) => PARTS[part](`$${UNCHANGED_PARAMS + index + 1}`, only));
  const text = `with ${[UNCHANGED, ...written].join(",")}
    select u.place::int, ${XID},
      floor(extract(epoch from clock_timestamp()) * 1000)::float8 as now_ms from unchanged u`;
  const statement = { name, text, parts };
  made.set(name, statement);
  return statement;
}
