import { LIMITS } from "../../limits.ts";
import type { Query } from "../db.ts";

interface Swept {
  readonly table: string;
  readonly where: string;
  readonly retentionMs: number;
}

/**
 * What goes after its retention. Keys, bindings and generations stay, but for those of minted keys (forget-minted.ts)
 * and of conversations that were erased (erasures/forget-keys.ts).
 */
const SWEPT: readonly Swept[] = [
  { table: "journal", where: "last_time < $1", retentionMs: LIMITS.journalRetentionMs },
  {
    table: "runs",
    where: "begin_time < $1 and state <> 'active'",
    retentionMs: LIMITS.journalRetentionMs,
  },
  {
    table: "replies",
    where: "update_time < $1 and state <> 'sending'",
    retentionMs: LIMITS.journalRetentionMs,
  },
  { table: "lifecycle_events", where: "create_time < $1", retentionMs: LIMITS.eventRetentionMs },
  { table: "erasures", where: "end_time < $1", retentionMs: LIMITS.erasureRetentionMs },
  { table: "requests", where: "create_time < $1", retentionMs: LIMITS.requestRetentionMs },
  {
    table: "session_changes",
    where: "create_time < $1",
    retentionMs: LIMITS.changeRetentionMs + LIMITS.changeMarginMs,
  },
];

/**
 * Takes away what is past retention, a bounded number of rows a statement, so that no lock is held and
 * no vacuum starved for long. Replicas may sweep at once: who comes second skips what is locked.
 */
export async function sweep(query: Query, nowMs: number, signal: AbortSignal): Promise<number> {
  let total = 0;
  for (const swept of SWEPT) total += await sweepTable(query, swept, nowMs, signal);
  return total;
}

async function sweepTable(
  query: Query,
  { table, where, retentionMs }: Swept,
  nowMs: number,
  signal: AbortSignal,
): Promise<number> {
  const statement = {
    name: `sweep_${table}`,
    text: `delete from ${table} where ctid = any(array(
      select ctid from ${table} where ${where} limit $2 for update skip locked))`,
  };
  let total = 0;
  for (let round = 0; round < LIMITS.sweepRounds && !signal.aborted; round += 1) {
    const before = new Date(nowMs - retentionMs);
    const { rowCount } = await query.query(statement, [before, LIMITS.sweepRows]);
    total += rowCount;
    if (rowCount < LIMITS.sweepRows) break;
  }
  return total;
}
