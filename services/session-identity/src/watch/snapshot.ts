/**
 * A pg_snapshot: which transactions were committed when it was taken. Everything below xmin was over,
 * nothing from xmax on had begun, those listed between were under way.
 */
export interface Snapshot {
  readonly text: string;
  readonly xmin: bigint;
  readonly xmax: bigint;
  readonly underWay: ReadonlySet<bigint>;
  /**
   * The greatest change id that it sees; 0: none. Undefined where the release before did not say. A crash takes back
   * the ids of transactions that left nothing on disk, and others get them: what was written by one of those is
   * known by its change id, which is above all that were committed.
   */
  readonly newest: bigint | undefined;
}

const TEXT = /^(\d{1,19}):(\d{1,19}):((?:\d{1,19}(?:,\d{1,19})*)?)$/;

/** Undefined for what Postgres would not take for one. */
export function parseSnapshot(text: string, newest?: bigint): Snapshot | undefined {
  const parts = TEXT.exec(text);
  if (parts === null) return undefined;
  const [, least = "", most = "", list = ""] = parts;
  const xmin = BigInt(least);
  const xmax = BigInt(most);
  const ids = list === "" ? [] : list.split(",").map(BigInt);
  const ascending = ids.every(
    (id, index) => id >= xmin && id < xmax && id > (ids[index - 1] ?? -1n),
  );
  if (xmin > xmax || xmin === 0n || xmax >= 2n ** 63n || !ascending) return undefined;
  return { text, xmin, xmax, underWay: new Set(ids), newest };
}

/** Was what this transaction wrote under this change id committed when the snapshot was taken? */
export function isVisible(
  snapshot: Snapshot,
  { xid, changeId }: { readonly xid: bigint; readonly changeId: bigint },
): boolean {
  if (snapshot.newest !== undefined && changeId > snapshot.newest) return false;
  if (xid < snapshot.xmin) return true;
  return xid < snapshot.xmax && !snapshot.underWay.has(xid);
}

/** The one taken later: it sees all that the other sees. After a crash transactions may count from further back. */
export function later(a: Snapshot, b: Snapshot): Snapshot {
  // 0 also where all changes were past their retention.
  if (a.newest && b.newest && a.newest !== b.newest) return a.newest > b.newest ? a : b;
  if (a.xmax !== b.xmax) return a.xmax > b.xmax ? a : b;
  return a.underWay.size <= b.underWay.size ? a : b;
}

/** More transactions under way than a server has connections are not told apart. */
const MOST_UNDER_WAY = 65_535;

/** A number that orders snapshots as `later` does. */
export function positionOf({ xmax, underWay }: Snapshot): bigint {
  return xmax * 65_536n - BigInt(Math.min(underWay.size, MOST_UNDER_WAY));
}
