import { invalid, LanekeeperError } from "@lanekeeper/rpc";
import type { Clock } from "@lanekeeper/service";
import { isKeyWithin } from "@lanekeeper/session-key";
import type { StandingKey } from "../domain/key-state.ts";
import { LIMITS } from "../limits.ts";
import type { Query } from "../store/db.ts";
import {
  type Change,
  changesBetween,
  type KeyRange,
  readHistory,
  readSnapshotPage,
} from "../store/read-changes.ts";
import type { Batch, Feed } from "./feed.ts";
import { isVisible, later, positionOf, type Snapshot } from "./snapshot.ts";
import { Subscription } from "./subscription.ts";
import { decodeToken, encodeToken, type History } from "./token.ts";

export interface WatchQuestion {
  /** Undefined: all tenants. */
  readonly tenant: string | undefined;
  /** Every key begins so. */
  readonly prefix: string;
  /** Empty: any agent. */
  readonly agents: readonly string[];
  /** What the credential is confined to; empty: nothing more. */
  readonly keyPrefixes: readonly string[];
  /** Empty: from a snapshot. */
  readonly resumeToken: string;
  readonly skipSnapshot: boolean;
  /** Ends once what was committed at the beginning is told. */
  readonly stopWhenTold: boolean;
  /** Set beside a resume token: ends once it has told what was told up to here. */
  readonly untilToken: string;
  readonly bookmarkMs: number;
  /** Other changes than rotations and merges are left out. */
  readonly rotationsOnly: boolean;
}

/** From where to go on, and how far that is. */
export interface Mark {
  readonly token: string;
  readonly position: bigint;
  /** False in the middle of a step. */
  readonly isBoundary: boolean;
}

export type WatchEvent =
  | { readonly kind: "snapshot"; readonly state: StandingKey }
  | ({ readonly kind: "snapshot_end" } & Mark)
  | ({ readonly kind: "changed"; readonly change: Change } & Mark)
  | ({ readonly kind: "bookmark" } & Mark);

export interface WatchParts {
  readonly query: Query;
  readonly feed: Feed;
  readonly clock: Clock;
}

/** A watcher's place: all that `seen` sees, it has seen. */
interface Place {
  readonly historyId: string;
  readonly seen: Snapshot;
  readonly atMs: number;
}

/** Snapshot, then changes; or changes alone, from a token. Ends by throwing, or with its reader. */
export async function* watch(
  parts: WatchParts,
  question: WatchQuestion,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent> {
  if (question.untilToken !== "") return yield* tellUntil(parts, question);
  if (question.stopWhenTold) return yield* tellOnce(parts, question);
  if (parts.feed.watchers >= LIMITS.maxSubscribers) throw tooMany();
  const place = yield* start(parts, question);
  const concerns = (change: Change) => isChangeWanted(question, change);
  const own = (batch: Batch) => ({ ...batch, changes: batch.changes.filter(concerns) });
  const subscription = new Subscription(
    parts.clock,
    own,
    question.bookmarkMs,
    question.rotationsOnly,
  );
  const leave = await parts.feed.listen(subscription);
  try {
    // What was committed before the feed began to tell this watcher.
    const caughtUp = yield* catchUp(parts, question, place, await readHistory(parts.query));
    yield* follow(subscription, caughtUp, signal);
  } finally {
    leave();
  }
}

/** Needs no feed: all that it tells was there when it began. A snapshot's end says itself that it is one. */
async function* tellOnce(parts: WatchParts, question: WatchQuestion): AsyncGenerator<WatchEvent> {
  const place = yield* start(parts, question);
  if (question.resumeToken !== "") yield { kind: "bookmark", ...markAt(place) };
}

/** What lies between two tokens, and a bookmark at the second. */
async function* tellUntil(parts: WatchParts, question: WatchQuestion): AsyncGenerator<WatchEvent> {
  const now = await readHistory(parts.query);
  const until = decodeToken(question.untilToken, now, "until_token");
  const resumed = decodeToken(question.resumeToken, now, "resume_token");
  if (until.partial !== undefined) throw invalid("until_token", "is of no boundary");
  if (resumed.partial !== undefined) throw invalid("resume_token", "is of no boundary");
  const { historyId } = now;
  const place = { historyId, seen: resumed.from, atMs: resumed.atMs };
  const end = { historyId, seen: until.from, atMs: until.atMs };
  yield* changes(parts, question, place, end, 0n);
  yield { kind: "bookmark", ...markAt(end) };
}

function tooMany(): LanekeeperError {
  const limit = String(LIMITS.maxSubscribers);
  return new LanekeeperError("RATE_LIMITED", `${limit} watchers are served already`, {
    metadata: { limit },
    retryAfterMs: 1_000,
  });
}

async function* start(
  parts: WatchParts,
  question: WatchQuestion,
): AsyncGenerator<WatchEvent, Place> {
  const now = await readHistory(parts.query);
  if (question.resumeToken !== "") return yield* resume(parts, question, now);
  if (!question.skipSnapshot) return yield* snapshot(parts, question);
  const place = placeOf(now);
  yield { kind: "bookmark", ...markAt(place) };
  return place;
}

function placeOf({ historyId, snapshot: seen, nowMs: atMs }: History): Place {
  return { historyId, seen, atMs };
}

function markAt({ historyId, seen, atMs }: Place): Mark {
  const token = encodeToken(historyId, { from: seen, partial: undefined, atMs });
  return { token, position: positionOf(seen), isBoundary: true };
}

async function* resume(
  parts: WatchParts,
  question: WatchQuestion,
  now: History,
): AsyncGenerator<WatchEvent, Place> {
  const { from, partial, atMs } = decodeToken(question.resumeToken, now, "resume_token");
  const place = { historyId: now.historyId, seen: from, atMs };
  if (partial === undefined) return yield* catchUp(parts, question, place, now);
  const { to, after } = partial;
  yield* changes(parts, question, place, { seen: to, atMs }, after);
  return yield* catchUp(parts, question, { ...place, seen: to }, now);
}

async function* catchUp(
  parts: WatchParts,
  question: WatchQuestion,
  place: Place,
  now: History,
): AsyncGenerator<WatchEvent, Place> {
  const end = placeOf(now);
  yield* changes(parts, question, place, end, 0n);
  return end;
}

/** What `end` sees and `place` does not. The token of each says how far within the step it is. */
async function* changes(
  { query }: WatchParts,
  question: WatchQuestion,
  place: Place,
  end: { readonly seen: Snapshot; readonly atMs: number },
  after: bigint,
): AsyncGenerator<WatchEvent> {
  for await (const change of changesOf(query, question, place.seen, end.seen, after)) {
    if (isChangeWanted(question, change)) yield changed(place, end, change);
  }
}

async function* changesOf(
  query: Query,
  range: KeyRange,
  from: Snapshot,
  to: Snapshot,
  start: bigint,
): AsyncGenerator<Change> {
  const limit = LIMITS.watchPageRows;
  for (let after = start; ; ) {
    const page = await changesBetween(query, range, from, to, after, limit);
    yield* page;
    if (page.length < limit) return;
    after = page.at(-1)?.changeId ?? after;
  }
}

function changed(
  place: Place,
  end: { readonly seen: Snapshot; readonly atMs: number },
  change: Change,
): WatchEvent {
  const partial = { to: end.seen, after: change.changeId };
  const token = encodeToken(place.historyId, { from: place.seen, partial, atMs: place.atMs });
  return { kind: "changed", change, token, position: positionOf(place.seen), isBoundary: false };
}

/** A page, and what its statement saw. */
interface PageSeen {
  readonly last: { readonly tenant: string; readonly sessionKey: string };
  readonly seen: Snapshot;
}

/**
 * Pages are statements of their own, so that no snapshot is held open while a slow reader reads; each
 * tells what it saw. What changed after its page was read comes once more before the snapshot ends.
 */
async function* snapshot(
  { query }: WatchParts,
  question: WatchQuestion,
): AsyncGenerator<WatchEvent, Place> {
  const pages: PageSeen[] = [];
  let after = { tenant: "", sessionKey: "" };
  for (;;) {
    const page = await readSnapshotPage(query, after, question, LIMITS.watchPageRows);
    for (const state of page.states) {
      if (isWanted(question, state)) yield { kind: "snapshot", state };
    }
    const lastState = page.states.at(-1);
    if (lastState === undefined || page.states.length < LIMITS.watchPageRows) {
      pages.push({ last: END, seen: page.history.snapshot });
      break;
    }
    after = { tenant: lastState.tenant, sessionKey: lastState.sessionKey };
    pages.push({ last: after, seen: page.history.snapshot });
  }
  return yield* completeSnapshot(query, question, pages);
}

/** Behind every key. */
const END = { tenant: "\u{10FFFF}", sessionKey: "" };

async function* completeSnapshot(
  query: Query,
  question: WatchQuestion,
  pages: readonly PageSeen[],
): AsyncGenerator<WatchEvent, Place> {
  const end = placeOf(await readHistory(query));
  const first = pages[0]?.seen ?? end.seen;
  for await (const change of changesOf(query, question, first, end.seen, 0n)) {
    const seen = pageOf(pages, change.state)?.seen ?? first;
    if (!isVisible(seen, change.xid) && isWanted(question, change.state)) {
      yield { kind: "snapshot", state: change.state };
    }
  }
  yield { kind: "snapshot_end", ...markAt(end) };
  return end;
}

/** The page that a key stands on, had it existed: the first that ends at or behind it. */
function pageOf(pages: readonly PageSeen[], key: StandingKey): PageSeen | undefined {
  let low = 0;
  let high = pages.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    const page = pages[middle];
    if (page !== undefined && isBefore(page.last, key)) low = middle + 1;
    else high = middle;
  }
  return pages[low];
}

/** By bytes, as collation "C" orders. */
function isBefore(a: PageSeen["last"], b: PageSeen["last"]): boolean {
  const byTenant = Buffer.compare(Buffer.from(a.tenant), Buffer.from(b.tenant));
  if (byTenant !== 0) return byTenant < 0;
  return Buffer.compare(Buffer.from(a.sessionKey), Buffer.from(b.sessionKey)) < 0;
}

/** From where the catching up ended: the feed's first batches may tell what was seen by then. */
async function* follow(
  subscription: Subscription,
  start: Place,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent> {
  for (let place = start; ; ) {
    const arrival = await subscription.next(signal);
    if (arrival.kind === "batch") {
      const { history, changes: batch } = arrival.batch;
      const end = placeOf(history);
      const next = later(place.seen, end.seen) === end.seen ? end : place;
      const fresh = batch.filter(({ xid }) => !isVisible(place.seen, xid));
      for (const change of fresh) {
        // With the last one nothing of the batch is left to tell.
        const isLast = change === fresh.at(-1);
        const event = changed(place, end, change);
        yield isLast ? { ...event, ...markAt(next) } : event;
      }
      place = next;
      if (fresh.length > 0) continue;
    }
    yield { kind: "bookmark", ...markAt(place) };
  }
}

function isChangeWanted(question: WatchQuestion, { state, rotated }: Change): boolean {
  return (rotated || !question.rotationsOnly) && isWanted(question, state);
}

function isWanted(
  { tenant, prefix, agents, keyPrefixes }: WatchQuestion,
  { tenant: owner, sessionKey }: StandingKey,
): boolean {
  if (tenant !== undefined && owner !== tenant) return false;
  return sessionKey.startsWith(prefix) && isKeyWithin(sessionKey, { agents, keyPrefixes });
}
