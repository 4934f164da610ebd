import type { Metrics } from "@lanekeeper/service";
import type { DeliveryStateName } from "./domain/delivery-state.ts";
import type { AttemptOutcome } from "./domain/send-outcome.ts";
import { AGES, type Backlog } from "./store/deliveries/backlog.ts";

/** What delivery counts, behind the names that dashboards see. */
export interface DeliveryMetrics {
  attempt(outcome: AttemptOutcome, seconds: number): void;
  /** A delivery reached a terminal state; `seconds` since it was enqueued. */
  ended(state: DeliveryStateName, seconds: number): void;
  backlog(backlog: readonly Backlog[]): void;
  /** Routes that a dead letter holds. */
  blocked(count: number): void;
  subscribers(count: number): void;
}

/** From a hook on the same machine to one that was away for a day. */
const DELIVERY_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 86_400];

export function deliveryMetrics(metrics: Metrics): DeliveryMetrics {
  const attempts = metrics.histogram("delivery_attempt_seconds", "Attempts to send.", ["outcome"]);
  const ended = metrics.histogram(
    "delivery_seconds",
    "From enqueued to a terminal state.",
    ["state"],
    DELIVERY_SECONDS,
  );
  const open = metrics.gauge("delivery_open", "Deliveries not yet ended, by age.", ["age"]);
  const blocked = metrics.gauge("delivery_routes_blocked", "Routes that a dead letter holds.");
  const subscribers = metrics.gauge("watch_subscribers", "Streams of session states.");
  return {
    attempt: (outcome, seconds) => attempts.observe({ outcome }, seconds),
    ended: (state, seconds) => ended.observe({ state }, seconds),
    backlog: (found) => {
      const counts = new Map(found.map(({ age, count }) => [age, count]));
      for (const age of AGES) open.set({ age }, counts.get(age) ?? 0);
    },
    blocked: (count) => blocked.set(count),
    subscribers: (count) => subscribers.set(count),
  };
}
