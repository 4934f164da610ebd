import { invalid, LanekeeperError } from "@lanekeeper/rpc";
import { LIMITS } from "../limits.ts";
import { parseSnapshot, type Snapshot } from "./snapshot.ts";

/**
 * How far a watcher has come: everything that `from` sees and, of what is in `to` and not in `from`,
 * the changes up to `after`.
 */
export interface Position {
  readonly from: Snapshot;
  readonly partial: { readonly to: Snapshot; readonly after: bigint } | undefined;
  /** When the snapshots were taken, by the database's clock. */
  readonly atMs: number;
}

/**
 * How far its changes had come stands behind the history's name: to the release before it is another history then,
 * which has a watcher begin with a snapshot.
 */
export function encodeToken(historyId: string, { from, partial, atMs }: Position): string {
  const snapshots = partial === undefined ? [from] : [from, partial.to];
  const newest = snapshots.flatMap((one) => one.newest ?? []);
  const name = newest.length < snapshots.length ? historyId : [historyId, ...newest].join("~");
  const rest = partial === undefined ? [] : [partial.to.text, String(partial.after)];
  return Buffer.from(JSON.stringify([name, atMs, from.text, ...rest])).toString("base64url");
}

/** What the database says of itself, to judge a token by. */
export interface History {
  readonly historyId: string;
  readonly nowMs: number;
  readonly snapshot: Snapshot;
}

/**
 * @throws INVALID_REQUEST for what is no token, RESUME_TOKEN_EXPIRED for one that is too old or speaks of
 * a history that this database does not have
 */
export function decodeToken(token: string, history: History, field = "resume_token"): Position {
  const [name, ...parts] = parse(token);
  const [historyId, ...seen] = typeof name === "string" ? name.split("~") : [];
  const position = positionOf(parts, seen);
  if (position === undefined) throw invalid(field, "was not given out by WatchSessions");
  const newest = position.partial?.to ?? position.from;
  if (historyId !== history.historyId || newest.xmax > history.snapshot.xmax) {
    throw expired("the token is of a history that the database no longer has");
  }
  if (history.nowMs - position.atMs > LIMITS.changeRetentionMs) {
    throw expired("the token is older than the changes that are kept");
  }
  return position;
}

/**
 * Why what was written since a place may not all be there any more: of another history, or of so long ago that
 * it was swept away. Asked by the database's clock, since one that is suspended counts no time; and after each
 * look, since a reader may take an hour between two. Undefined: it is there.
 */
export function cutOff(
  since: { readonly historyId: string; readonly atMs: number },
  now: Pick<History, "historyId" | "nowMs">,
): LanekeeperError | undefined {
  const isKept = now.nowMs - since.atMs <= LIMITS.changeRetentionMs;
  return since.historyId === now.historyId && isKept ? undefined : expired("the feed was cut off");
}

const CHANGE_ID = /^\d{1,18}$/;

function expired(message: string): LanekeeperError {
  return new LanekeeperError("RESUME_TOKEN_EXPIRED", `${message}; begin with a snapshot`);
}

function parse(token: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    return [];
  }
}

function positionOf(parts: readonly unknown[], newest: readonly string[]): Position | undefined {
  const [atMs, from, to, after] = parts;
  if (!newest.every((one) => CHANGE_ID.test(one))) return undefined;
  const [fromNewest, toNewest] = newest.map(BigInt);
  const start = typeof from === "string" ? parseSnapshot(from, fromNewest) : undefined;
  if (typeof atMs !== "number" || start === undefined) return undefined;
  if (to === undefined) return { from: start, partial: undefined, atMs };
  const end = typeof to === "string" ? parseSnapshot(to, toNewest) : undefined;
  if (end === undefined || typeof after !== "string" || !CHANGE_ID.test(after)) return undefined;
  return { from: start, partial: { to: end, after: BigInt(after) }, atMs };
}
