import { type Batcher, createBatcher, isUnavailable } from "@lanekeeper/postgres";
import type { Limits } from "../../limits.ts";
import {
  enqueueAll,
  type EnqueueResult,
  findTwin,
  type NewDelivery,
} from "../deliveries/enqueue.ts";
import { type EndedAttempt, finishAll, type Finished } from "./finish-attempt.ts";
import type { DeliveryDatabase } from "../sql.ts";
import { markToldAll, type Untold } from "./untold.ts";

type StepLimits = Pick<
  Limits,
  "leaseMs" | "waitingPerRoute" | "stepsPerStatement" | "stepsWaiting" | "stepsInFlight"
>;

/**
 * The writes of every reply, each in groups: those that arrive while a transaction is in flight go
 * together in the next, so that a few round trips and one flush to disk serve all of them. A route has
 * one call in a transaction. Where a transaction fails as a whole, its calls are tried one by one.
 */
export class ReplySteps {
  readonly #db: DeliveryDatabase;
  readonly #enqueue: Batcher<NewDelivery, EnqueueResult>;
  readonly #finish: Batcher<EndedAttempt, Finished>;
  readonly #told: Batcher<Untold, true>;

  constructor(db: DeliveryDatabase, replica: string, limits: StepLimits) {
    const claimant = { replica, leaseMs: limits.leaseMs };
    this.#db = db;
    this.#enqueue = batcherOf(
      (deliveries: readonly NewDelivery[]) => enqueueAll(db, deliveries, limits.waitingPerRoute),
      routeOf,
      limits,
    );
    this.#finish = batcherOf(
      (ended: readonly EndedAttempt[]) => finishAll(db, claimant, ended),
      ({ claimed }) => routeOf(claimed),
      limits,
    );
    this.#told = batcherOf(
      (told: readonly Untold[]) => markToldAll(db, told),
      ({ tenant, deliveryId }) => `${tenant} ${deliveryId}`,
      limits,
    );
  }

  /** Stores a reply at the end of its route, once per request id. */
  async enqueue(delivery: NewDelivery): Promise<EnqueueResult> {
    try {
      return await this.#enqueue.submit(delivery);
    } catch (error) {
      const twin = await findTwin(this.#db, delivery, error);
      if (twin !== undefined) return twin;
      throw error;
    }
  }

  /** Writes what became of an attempt and lets its route go on, here where that is wanted. */
  finish(ended: EndedAttempt): Promise<Finished> {
    return this.#finish.submit(ended);
  }

  /** session-identity has the outcome. */
  async markTold(told: Untold): Promise<void> {
    await this.#told.submit(told);
  }
}

function routeOf({ tenant, routeId }: Pick<NewDelivery, "tenant" | "routeId">): string {
  return `${tenant} ${routeId}`;
}

function batcherOf<In, Out>(
  run: (items: readonly In[]) => Promise<readonly Out[]>,
  keyOf: (item: In) => string,
  { stepsPerStatement, stepsWaiting, stepsInFlight }: StepLimits,
): Batcher<In, Out> {
  return createBatcher({
    run,
    keyOf,
    isOutage: isUnavailable,
    maxBatch: stepsPerStatement,
    maxWaiting: stepsWaiting,
    concurrency: stepsInFlight,
  });
}
