import { hasSession, type StandingKey } from "../../domain/key-state.ts";
import { parseSnapshot, type Snapshot } from "../../watch/snapshot.ts";
import type { History } from "../../watch/token.ts";
import type { Query } from "../db.ts";
import { NOW_MS } from "../moments.ts";
import { type KeyRow, stateOf } from "../keys/key-row.ts";

/** Whose keys, and how they begin. */
export interface KeyRange {
  /** Undefined: all tenants'. */
  readonly tenant: string | undefined;
  readonly prefix: string;
}

export const ALL_KEYS: KeyRange = { tenant: undefined, prefix: "" };

/** One change of a key. */
export interface Change {
  readonly changeId: bigint;
  readonly xid: bigint;
  readonly state: StandingKey;
  /** Set where the change was a merge of this key into another. */
  readonly mergedInto: string | undefined;
  /** It put another session under the key. */
  readonly rotated: boolean;
  /** When it was written, by the database's clock; it is seen only once it is committed. */
  readonly writtenMs: number;
}

interface ChangeRow {
  readonly change_id: bigint | null;
  readonly xid: string;
  readonly state: KeyRow;
  readonly merged_into: string | null;
  readonly rotated: boolean;
  readonly written_ms: number;
}

const NOW = `select h.history_id, pg_current_snapshot() as snapshot,
    coalesce((select max(s.change_id) from session_changes s), 0) as newest, ${NOW_MS} as now_ms
    from history h`;
const NOW_COLUMNS = "n.history_id, n.snapshot::text as snapshot, n.newest, n.now_ms";

interface NowRow {
  readonly history_id: string;
  readonly snapshot: string;
  readonly newest: bigint;
  readonly now_ms: number;
}

const READ_HISTORY = {
  name: "read_history",
  text: `select ${NOW_COLUMNS} from (${NOW}) n`,
};

/** What is committed now. */
export async function readHistory(query: Query): Promise<History> {
  const { rows } = await query.query<NowRow>(READ_HISTORY);
  return historyOf(rows[0]);
}

/**
 * What the snapshot did not see. What began before its xmin was over by then; but after a crash, which takes ids of
 * transactions back, what is above its newest change came later whatever its transaction's id is.
 */
const unseenBy = (snapshot: string, newest: string) => `(c.change_id > ${newest}::bigint
  or c.xid >= pg_snapshot_xmin(${snapshot}::pg_snapshot) and not pg_visible_in_snapshot(c.xid, ${snapshot}::pg_snapshot))`;
/**
 * No change between is older. What the planner is told of a range of change ids keeps it from reading the
 * table from its beginning, in the order of its key: it can't know how few changes a snapshot has not seen.
 */
const firstSince = (snapshot: string, newest: string) => `least(${newest}::bigint + 1,
    (select min(f.change_id) from (
      select change_id from session_changes where xid >= pg_snapshot_xmin(${snapshot}::pg_snapshot)
      order by xid, change_id offset 0) f))`;
const COLUMNS = `c.change_id, c.xid::text as xid, c.state, c.merged_into, c.rotated,
  floor(extract(epoch from c.create_time) * 1000)::float8 as written_ms`;

/** Changes, and the snapshot that they were read in. */
export interface ChangesSeen {
  readonly history: History;
  readonly changes: readonly Change[];
}

const POLL_CHANGES = {
  name: "poll_changes",
  text: `
    select ${NOW_COLUMNS}, c.* from (${NOW}) n
    left join lateral (
      select ${COLUMNS} from session_changes c
      where ${unseenBy("$1", "$4")} and c.change_id >= ${firstSince("$1", "$4")} and (c.rotated or not $3)
      order by c.change_id limit $2
    ) c on true`,
};

/**
 * What was committed since a snapshot, and the snapshot of this statement itself: the next poll begins
 * there. `rotationsOnly` leaves other changes out. At most `limit` changes; if there are as many, the rest is `changesBetween`'s.
 */
export async function pollChanges(
  query: Query,
  since: Snapshot,
  { limit, rotationsOnly }: { readonly limit: number; readonly rotationsOnly: boolean },
): Promise<ChangesSeen> {
  const { rows } = await query.query<NowRow & ChangeRow>(POLL_CHANGES, [
    since.text,
    limit,
    rotationsOnly,
    newestOf(since),
  ]);
  return { history: historyOf(rows[0]), changes: changesOf(rows) };
}

const CHANGES_BETWEEN = {
  name: "changes_between",
  text: `
    select ${NOW_COLUMNS}, c.* from (${NOW}) n
    left join lateral (
      select ${COLUMNS} from session_changes c
      where ${unseenBy("$1", "$7")} and not ${unseenBy("$2", "$8")}
        and c.change_id > case when $3 > 0 then $3 else ${firstSince("$1", "$7")} - 1 end
        and ($5::text is null or c.tenant = $5) and starts_with(c.session_key, $6)
      order by c.change_id limit $4
    ) c on true`,
};

/**
 * Changes that `to` sees and `from` does not, after a change id, in order. `history` is of this very look: it
 * tells whether those that are there are all that there were.
 */
export async function changesBetween(
  query: Query,
  range: KeyRange,
  from: Snapshot,
  to: Snapshot,
  after: bigint,
  limit: number,
): Promise<ChangesSeen> {
  const { tenant = null, prefix } = range;
  const newest = [newestOf(from), newestOf(to)];
  const params = [from.text, to.text, after, limit, tenant, prefix, ...newest];
  const { rows } = await query.query<NowRow & ChangeRow>(CHANGES_BETWEEN, params);
  return { history: historyOf(rows[0]), changes: changesOf(rows) };
}

const SNAPSHOT_PAGE = {
  name: "snapshot_page",
  text: `
    select ${NOW_COLUMNS}, to_jsonb(k) as key from (${NOW}) n
    left join lateral (
      select * from session_keys k
      where (k.tenant, k.session_key) > ($1, $2) and ($3::text is null or k.tenant = $3)
        and k.session_key >= $4 and k.session_key < $4 || U&'\\+10FFFF'
        and k.session_id is not null and not k.internal
      order by k.tenant, k.session_key limit $5
    ) k on true`,
};

/** A page of sessions in (tenant, key) order, with the snapshot that it was read in. */
export async function readSnapshotPage(
  query: Query,
  after: { readonly tenant: string; readonly sessionKey: string },
  filter: KeyRange,
  limit: number,
): Promise<{ readonly history: History; readonly states: readonly StandingKey[] }> {
  const { rows } = await query.query<NowRow & { key: KeyRow | null }>(SNAPSHOT_PAGE, [
    ...[after.tenant, after.sessionKey, filter.tenant ?? null, filter.prefix, limit],
  ]);
  const states = rows.flatMap(({ key }) => (key === null ? [] : [stateOf(key)])).filter(hasSession);
  return { history: historyOf(rows[0]), states };
}

function changesOf(rows: readonly ChangeRow[]): Change[] {
  return rows.flatMap((row) => {
    const { change_id: changeId, written_ms: writtenMs, rotated } = row;
    if (changeId === null) return [];
    const state = stateOf(row.state);
    if (!hasSession(state)) return [];
    const xid = BigInt(row.xid);
    const mergedInto = row.merged_into ?? undefined;
    return [{ changeId, xid, state, mergedInto, rotated, writtenMs }];
  });
}

/** Of a snapshot that does not say: no change is newer. */
function newestOf({ newest = 2n ** 62n }: Snapshot): bigint {
  return newest;
}

function historyOf(row: NowRow | undefined): History {
  const snapshot = row === undefined ? undefined : parseSnapshot(row.snapshot, row.newest);
  if (row === undefined || snapshot === undefined) throw new Error("the database tells no history");
  return { historyId: row.history_id, nowMs: row.now_ms, snapshot };
}
