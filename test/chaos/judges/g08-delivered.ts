import { groupBy, type History } from "../history/history.ts";
import type { FinalDelivery } from "../history/sights.ts";
import { Case, type Judge } from "./judge.ts";

/**
 * A committed reply arrives at least once, in order per route, under one id; after a reset no send of an
 * older generation is claimed, and nothing arrives that was never claimed.
 */
export const delivered: Judge = (history) => {
  const about = new Case("G8", "replies that arrived, each of them claimed and in its place");
  const deliveries = history.values("finalDelivery");
  judgeCommitted(history, about, deliveries);
  judgeHeldBack(history, about, deliveries);
  judgeIds(history, about, deliveries);
  judgeOrder(history, about, deliveries);
  judgeClaims(history, about);
  return about.verdict;
};

/** States in which a reply may not have been seen by the sink, which refuses none for good. */
const NOT_SENT = new Set(["SUPPRESSED_STALE", "UNKNOWN"]);

function judgeCommitted(history: History, about: Case, deliveries: readonly FinalDelivery[]): void {
  const arrived = new Set(history.values("posted").map(({ turnId }) => turnId));
  const ofTurn = new Map(deliveries.map((one) => [one.turnId, one]));
  for (const { at, value } of history.seen("finalTurn")) {
    if (!value.routed || value.state !== "COMPLETED") continue;
    const delivery = ofTurn.get(value.turnId);
    if (arrived.has(value.turnId)) about.count();
    else if (delivery === undefined) {
      about.find(value.key, at, `the committed reply of ${value.turnId} was never handed over`);
    } else if (!NOT_SENT.has(delivery.state)) {
      about.find(value.key, at, `${delivery.deliveryId} is ${delivery.state} and never arrived`);
    }
  }
}

/** A reset alone holds a reply back, or leaves what was claimed before it unsettled. */
function judgeHeldBack(history: History, about: Case, deliveries: readonly FinalDelivery[]): void {
  const resets = history.values("finalGeneration").filter(({ reason }) => reason === "RESET");
  for (const { tenant, key, deliveryId, state, generation } of deliveries) {
    if (state !== "SUPPRESSED_STALE" && state !== "UNKNOWN") continue;
    const isReset = resets.some(
      (one) => one.tenant === tenant && one.key === key && one.generation > generation,
    );
    if (!isReset) about.find(key, 0, `${deliveryId} is ${state}, and nobody reset its session`);
  }
}

function judgeIds(history: History, about: Case, deliveries: readonly FinalDelivery[]): void {
  const posts = history.seen("posted");
  for (const [turnId, all] of groupBy(posts, ({ value }) => value.turnId)) {
    const ids = new Set(all.map(({ value }) => value.deliveryId));
    const [first, other] = all;
    if (ids.size > 1) {
      about.find(first?.value.key ?? "", other?.at ?? 0, `${turnId} arrived under ${ids.size} ids`);
    }
  }
  for (const { deliveryId, state, key } of deliveries) {
    if (state !== "SUPPRESSED_STALE") continue;
    const post = posts.find(({ value }) => value.deliveryId === deliveryId);
    if (post !== undefined) about.find(key, post.at, `${deliveryId} is suppressed and arrived`);
  }
}

/** By first arrivals: a repeat may come whenever it is not known that the first one was taken. */
function judgeOrder(history: History, about: Case, deliveries: readonly FinalDelivery[]): void {
  const first = new Map<string, number>();
  for (const { at, value } of history.seen("posted")) {
    if (!first.has(value.deliveryId)) first.set(value.deliveryId, at);
  }
  for (const route of groupBy(deliveries, ({ routeId }) => routeId).values()) {
    const order = route
      .filter(({ deliveryId }) => first.has(deliveryId))
      .sort((a, b) => a.routeSeq - b.routeSeq);
    for (const [index, later] of order.entries()) {
      const earlier = order[index - 1];
      if (earlier === undefined) continue;
      const at = first.get(later.deliveryId) ?? 0;
      if (at >= (first.get(earlier.deliveryId) ?? 0)) continue;
      about.find(later.key, at, `${later.deliveryId} overtook ${earlier.deliveryId} on its route`);
    }
  }
}

/** session-identity's journal is the order of claims and resets. */
function judgeClaims(history: History, about: Case): void {
  const entries = [...history.values("finalJournal")]
    .filter(({ accepted }) => accepted)
    .sort((a, b) => a.entryId - b.entryId);
  if (entries.length === 0) return;
  const claims = new Map<string, number>();
  const reset = new Map<string, number>();
  const sent = new Set<string>();
  for (const entry of entries) {
    const key = `${entry.tenant} ${entry.key}`;
    if (entry.operation === "rotate" && entry.reason === "RESET") reset.set(key, entry.generation);
    const isSettled = entry.operation === "reply_settled";
    if (isSettled && entry.reason === "SENT") sent.add(entry.deliveryId);
    if (entry.operation !== "reply_sending") continue;
    if (sent.has(entry.deliveryId)) {
      about.find(entry.key, 0, `${entry.deliveryId} was claimed after it was told to be sent`);
    }
    claims.set(entry.deliveryId, (claims.get(entry.deliveryId) ?? 0) + 1);
    const shown = entry.shownGeneration || entry.generation;
    if (shown >= (reset.get(key) ?? 0)) continue;
    about.find(
      entry.key,
      0,
      `${entry.deliveryId} of generation ${shown} was claimed after a reset`,
    );
  }
  const posts = groupBy(history.seen("posted"), ({ value }) => value.deliveryId);
  for (const [deliveryId, all] of posts) {
    if (all.length <= (claims.get(deliveryId) ?? 0)) continue;
    const [{ value, at } = { value: { key: "" }, at: 0 }] = all;
    const claimed = claims.get(deliveryId) ?? 0;
    about.find(value.key, at, `${deliveryId} arrived ${all.length} times on ${claimed} claims`);
  }
}
