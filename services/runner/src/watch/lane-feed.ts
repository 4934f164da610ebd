import { LanekeeperError } from "@lanekeeper/rpc";
import { type ClockTimer, UnderWay } from "@lanekeeper/service";
import { LIMITS } from "../limits.ts";
import type { RunnerDeps } from "../deps.ts";
import { type LaneMark, readMarks, readWatched } from "../store/lanes/watch-lanes.ts";
import { LaneSubscription } from "./lane-subscription.ts";
import { emptied, laneId, type SeenLane } from "./seen-lane.ts";

type FeedDeps = Pick<RunnerDeps, "db" | "clock" | "log">;

/** Looks at lanes on behalf of this replica's watchers, and only while there are any. */
export class LaneFeed {
  readonly #deps: FeedDeps;
  readonly #scopes = new Map<string, Scope>();
  readonly #looks = new UnderWay();
  #watchers = 0;

  constructor(deps: FeedDeps) {
    this.#deps = deps;
  }

  /** @param tenant undefined: all. @throws RATE_LIMITED */
  join(
    tenant: string | undefined,
    wants: (lane: SeenLane) => boolean,
  ): { readonly subscription: LaneSubscription; readonly leave: () => void } {
    if (this.#watchers >= LIMITS.laneWatchersPerReplica) throw tooMany();
    const scope = this.#scopes.get(tenant ?? "") ?? new Scope(this.#deps, this.#looks, tenant);
    this.#scopes.set(tenant ?? "", scope);
    const subscription = new LaneSubscription(this.#deps.clock, wants);
    scope.add(subscription);
    this.#watchers += 1;
    return { subscription, leave: () => this.#leave(tenant, scope, subscription) };
  }

  /** Resolves once nothing is looked at any more, after the last watcher has left. */
  settled(): Promise<void> {
    return this.#looks.settled();
  }

  #leave(tenant: string | undefined, scope: Scope, subscription: LaneSubscription): void {
    this.#watchers -= 1;
    if (scope.remove(subscription) === 0) this.#scopes.delete(tenant ?? "");
  }
}

function tooMany(): LanekeeperError {
  const limit = String(LIMITS.laneWatchersPerReplica);
  return new LanekeeperError("RATE_LIMITED", `this replica serves ${limit} watches of lanes`, {
    metadata: { limit },
    retryAfterMs: 1_000,
  });
}

/**
 * One tenant's lanes, or all, as its watchers know them. One look follows the other, so that what is
 * told of a lane is in the order in which it was so, whichever replica changed it.
 */
class Scope {
  readonly #deps: FeedDeps;
  readonly #looks: UnderWay;
  readonly #tenant: string | undefined;
  readonly #subscriptions = new Set<LaneSubscription>();
  #lanes = new Map<string, SeenLane>();
  #timer: ClockTimer | undefined;
  #isLooking = false;

  constructor(deps: FeedDeps, looks: UnderWay, tenant: string | undefined) {
    this.#deps = deps;
    this.#looks = looks;
    this.#tenant = tenant;
  }

  add(subscription: LaneSubscription): void {
    this.#subscriptions.add(subscription);
    // Who comes during a look is served by the next one.
    if (!this.#isLooking) this.#lookIn(0);
  }

  remove(subscription: LaneSubscription): number {
    this.#subscriptions.delete(subscription);
    if (this.#subscriptions.size === 0) this.#timer?.cancel();
    return this.#subscriptions.size;
  }

  #lookIn(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#deps.clock.setTimer(ms, () => this.#looks.add(this.#look()));
  }

  async #look(): Promise<void> {
    const { clock, log } = this.#deps;
    const beganMs = clock.monotonicMs();
    const present = [...this.#subscriptions];
    this.#isLooking = true;
    try {
      await this.#tell(present);
    } catch (err) {
      log.warn({ err }, "the lanes could not be looked at");
      for (const subscription of this.#subscriptions) subscription.fail(err);
    }
    this.#isLooking = false;
    if (this.#subscriptions.size === 0) return;
    const tookMs = clock.monotonicMs() - beganMs;
    const isAwaited = [...this.#subscriptions].some(({ isNew }) => isNew);
    this.#lookIn(
      isAwaited ? 0 : Math.max(LIMITS.laneWatchPollMs, tookMs * LIMITS.laneWatchRestFactor),
    );
  }

  async #tell(present: readonly LaneSubscription[]): Promise<void> {
    const changed = await this.#readChanges();
    const old = present.filter(({ isNew }) => !isNew);
    for (const lane of changed) for (const subscription of old) subscription.change(lane);
    const lanes = [...this.#lanes.values()];
    for (const subscription of present) if (subscription.isNew) subscription.begin(lanes);
  }

  /** Brings what is known of the lanes up to date, and gives what differs. */
  async #readChanges(): Promise<SeenLane[]> {
    const marks = await this.#readMarks();
    const { clock, db } = this.#deps;
    const differing = marks.filter((mark) => hasChanged(mark, this.#lanes.get(laneId(mark))));
    const changed: SeenLane[] = [];
    for (let at = 0; at < differing.length; at += LIMITS.laneWatchPage) {
      const page = differing.slice(at, at + LIMITS.laneWatchPage);
      const read = await readWatched(db, page, LIMITS.watchedTurnsPerLane);
      const seenMs = clock.monotonicMs();
      changed.push(...read.map((lane) => ({ id: laneId(lane), lane, seenMs })));
    }
    const present = new Set(marks.map(laneId));
    const gone = [...this.#lanes.values()].filter(({ id }) => !present.has(id));
    for (const { id } of gone) this.#lanes.delete(id);
    for (const seen of changed) this.#lanes.set(seen.id, seen);
    return [...changed, ...gone.map((seen) => emptied(seen, clock.monotonicMs()))];
  }

  async #readMarks(): Promise<LaneMark[]> {
    const marks: LaneMark[] = [];
    for (let after = { tenant: "", sessionKey: "" }; ; ) {
      const page = await readMarks(this.#deps.db, this.#tenant, after, LIMITS.laneWatchPage);
      marks.push(...page);
      const last = page.at(-1);
      if (last === undefined || page.length < LIMITS.laneWatchPage) return marks;
      if (marks.length > LIMITS.watchedLanes) throw tooManyLanes();
      after = last;
    }
  }
}

function hasChanged(mark: LaneMark, seen: SeenLane | undefined): boolean {
  return seen?.lane.version !== mark.version || seen.lane.heartbeat !== mark.heartbeat;
}

function tooManyLanes(): LanekeeperError {
  const limit = String(LIMITS.watchedLanes);
  return new LanekeeperError("QUOTA", `more than ${limit} lanes have work; list them instead`, {
    metadata: { limit },
    retryAfterMs: 60_000,
  });
}
