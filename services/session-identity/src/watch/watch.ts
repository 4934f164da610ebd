import { invalid } from "@lanekeeper/rpc";
import type { Clock } from "@lanekeeper/service";
import type { Query } from "../store/db.ts";
import { type Change, readHistory } from "../store/feed/read-changes.ts";
import type { Batch, Feed } from "./feed.ts";
import { markAt, type Place, placeOf, type WatchEvent } from "./place.ts";
import { changesOf, isChangeWanted, type WatchQuestion } from "./question.ts";
import { isVisible, later, positionOf, type Snapshot } from "./snapshot.ts";
import { Subscription } from "./subscription.ts";
import { tellSnapshot } from "./tell-snapshot.ts";
import { decodeToken, encodeToken, type History } from "./token.ts";

export interface WatchParts {
  readonly query: Query;
  readonly feed: Feed;
  readonly clock: Clock;
}

/** Snapshot, then changes; or changes alone, from a token. Ends by throwing, or with its reader. */
export async function* watch(
  parts: WatchParts,
  question: WatchQuestion,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent> {
  if (question.untilToken !== "") return yield* tellUntil(parts, question);
  if (question.stopWhenTold) return yield* tellOnce(parts, question);
  using _seat = parts.feed.seat();
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

async function* start(
  parts: WatchParts,
  question: WatchQuestion,
): AsyncGenerator<WatchEvent, Place> {
  const now = await readHistory(parts.query);
  if (question.resumeToken !== "") return yield* resume(parts, question, now);
  if (!question.skipSnapshot) return yield* tellSnapshot(parts.query, question);
  const place = placeOf(now);
  yield { kind: "bookmark", ...markAt(place) };
  return place;
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
  for await (const change of changesOf(query, question, place, end.seen, after)) {
    if (isChangeWanted(question, change)) yield changed(place, end, change);
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
      const fresh = batch.filter((change) => !isVisible(place.seen, change));
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
