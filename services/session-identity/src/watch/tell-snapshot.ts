import type { StandingKey } from "../domain/key-state.ts";
import { LIMITS } from "../limits.ts";
import type { Query } from "../store/db.ts";
import { readHistory, readSnapshotPage } from "../store/feed/read-changes.ts";
import { markAt, type Place, placeOf, type WatchEvent } from "./place.ts";
import { changesOf, isWanted, type WatchQuestion } from "./question.ts";
import { isVisible } from "./snapshot.ts";

/** A page, and what its statement saw. */
interface PageSeen {
  readonly last: { readonly tenant: string; readonly sessionKey: string };
  readonly place: Place;
}

/**
 * Pages are statements of their own, so that no snapshot is held open while a slow reader reads; each
 * tells what it saw. What changed after its page was read comes once more before the snapshot ends.
 */
export async function* tellSnapshot(
  query: Query,
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
      pages.push({ last: END, place: placeOf(page.history) });
      break;
    }
    after = { tenant: lastState.tenant, sessionKey: lastState.sessionKey };
    pages.push({ last: after, place: placeOf(page.history) });
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
  const first = pages[0]?.place ?? end;
  for await (const change of changesOf(query, question, first, end.seen, 0n)) {
    const { seen } = pageOf(pages, change.state)?.place ?? first;
    if (!isVisible(seen, change) && isWanted(question, change.state)) {
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
