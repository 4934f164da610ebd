import type { LaneState, WatchLanesResponse } from "@lanekeeper/protocol/lanekeeper/runner/v1/lane";
import { FanOut } from "./fan-out.ts";
import { Follower, type FollowerDeps, type Upstream } from "./follower.ts";
import { Lanes, toldLane, toldLanesEnd, withoutWork } from "./lanes.ts";
import type { Subscriber } from "./subscriber.ts";
import type { Told } from "./told.ts";
import { isWanted, type WatchFilter } from "./watch-filter.ts";

/** The runner, as far as lanes are watched. */
export interface LaneSource {
  watchLanes(
    request: Record<never, never>,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<WatchLanesResponse>;
}

export interface LaneFeedDeps extends FollowerDeps {
  readonly runner: LaneSource;
}

/**
 * The replica's one watch of all tenants' lanes. Lanes that have work are few and the watch has no
 * token, so they are kept while somebody watches: who joins gets them from here, and a watch that had
 * to begin anew is told as the changes that it amounts to.
 */
export class LaneFeed implements AsyncDisposable {
  readonly #deps: LaneFeedDeps;
  readonly #fanOut = new FanOut();
  readonly #follower: Follower<WatchLanesResponse>;
  readonly #joining = new Map<Subscriber, WatchFilter>();
  #lanes = new Lanes();
  /** What the upstream's snapshot has told so far; undefined behind its end. */
  #incoming: Lanes | undefined;
  #isKnown = false;

  constructor(deps: LaneFeedDeps) {
    this.#deps = deps;
    this.#follower = new Follower(deps, this.#upstream());
  }

  /** Tells the subscriber of the lanes that have work as soon as they are known, then of changes. */
  join(filter: WatchFilter, subscriber: Subscriber): () => void {
    const release = this.#follower.hold();
    const leave = this.#fanOut.add(filter, subscriber);
    this.#joining.set(subscriber, filter);
    if (this.#isKnown) this.#begin();
    return () => {
      this.#joining.delete(subscriber);
      leave();
      release();
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#follower[Symbol.asyncDispose]();
  }

  #upstream(): Upstream<WatchLanesResponse> {
    return {
      name: "runner",
      open: (signal) => {
        this.#incoming = new Lanes();
        return this.#deps.runner.watchLanes({}, { signal });
      },
      take: (message) => this.#take(message),
      lost: (error) => this.#lost(error),
      idle: () => this.#forget(),
    };
  }

  #take({ tenant, event }: WatchLanesResponse): void {
    const nowMs = this.#deps.clock.monotonicMs();
    if (event.case === "snapshot") this.#incoming?.set(tenant, event.value, nowMs);
    if (event.case === "snapshotEnd") this.#replace();
    if (event.case === "changed") this.#change(tenant, event.value, nowMs);
  }

  #change(tenant: string, lane: LaneState, nowMs: number): void {
    this.#lanes.set(tenant, lane, nowMs);
    this.#tell(tenant, lane);
  }

  /** What is gone since is told as without work; the rest as it stands, since no version tells which moved. */
  #replace(): void {
    const before = this.#lanes;
    this.#lanes = this.#incoming ?? new Lanes();
    this.#incoming = undefined;
    if (this.#isKnown) {
      for (const [tenant, lane] of before.entries()) {
        if (!this.#lanes.has(tenant, lane.sessionKey)) this.#tell(tenant, withoutWork(lane));
      }
      for (const [tenant, lane] of this.#lanes.entries()) this.#tell(tenant, lane);
    }
    this.#isKnown = true;
    this.#begin();
  }

  #tell(tenant: string, lane: LaneState): void {
    this.#fanOut.tell(tenant, lane.sessionKey, () => toldLane("changed", lane));
  }

  /** Before the first snapshot is known nothing is told, so nobody is told of a change too soon. */
  #begin(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    for (const [subscriber, filter] of this.#joining) {
      const lanes = [...this.#lanes.of(filter.tenant, nowMs)];
      subscriber.begin(snapshot(lanes.filter(({ sessionKey }) => isWanted(filter, sessionKey))));
    }
    this.#joining.clear();
  }

  #lost(error: unknown): void {
    this.#forget();
    this.#fanOut.fail(error);
  }

  #forget(): void {
    this.#lanes = new Lanes();
    this.#incoming = undefined;
    this.#isKnown = false;
  }
}

function* snapshot(lanes: readonly LaneState[]): Generator<Told> {
  for (const lane of lanes) yield toldLane("snapshot", lane);
  yield toldLanesEnd();
}
