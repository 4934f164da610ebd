import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { IdentityClient } from "@lanekeeper/client";
import type { WatchSessionsResponse } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { hasReason } from "@lanekeeper/rpc";
import type { Limits } from "../limits.ts";
import { FanOut } from "./fan-out.ts";
import { Follower, type FollowerDeps, type Upstream } from "./follower.ts";
import type { Subscriber } from "./subscriber.ts";
import { keyOf, toldMerge, toldSession } from "./told.ts";
import type { WatchFilter } from "./watch-filter.ts";

export interface SessionFeedDeps extends FollowerDeps {
  readonly identity: Pick<IdentityClient, "watchSessions">;
  readonly limits: FollowerDeps["limits"] & Pick<Limits, "followBookmarkMs">;
}

/** A subscriber that has joined. */
export interface Joined {
  /** It is told all that comes behind this token, and nothing before it. */
  readonly token: string;
  readonly leave: () => void;
}

/** Who waits to join. */
interface Joining {
  readonly position: bigint;
  join(token: string): void;
  fail(error: unknown): void;
}

/**
 * The replica's one watch of all tenants' sessions. It keeps no states: a subscriber reads what stands
 * at session-identity, joins here at a boundary behind that, and reads what lies between the two, so
 * that nothing is missed or told twice at the seam, and every token is exact.
 */
export class SessionFeed implements AsyncDisposable {
  readonly #deps: SessionFeedDeps;
  readonly #fanOut = new FanOut();
  readonly #joining = new Set<Joining>();
  readonly #follower: Follower<WatchSessionsResponse>;
  /** Of the last message; empty before the first. */
  #token = "";
  #position = -1n;
  #isBoundary = false;

  constructor(deps: SessionFeedDeps) {
    this.#deps = deps;
    this.#follower = new Follower(deps, this.#upstream());
  }

  /** All that this replica's subscribers have been told of lies before it. */
  get token(): string {
    return this.#token;
  }

  /** Has the feed followed until it is released. */
  hold(): () => void {
    return this.#follower.hold();
  }

  /**
   * Joins at the first boundary at or behind a position. @throws the signal's reason,
   * STORE_UNAVAILABLE, RESUME_TOKEN_EXPIRED
   */
  join(
    filter: WatchFilter,
    subscriber: Subscriber,
    position: bigint,
    signal: AbortSignal,
  ): Promise<Joined> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => joining.fail(signal.reason);
      const settle = (): void => {
        this.#joining.delete(joining);
        signal.removeEventListener("abort", onAbort);
      };
      const joining: Joining = {
        position,
        join: (token) => {
          settle();
          resolve({ token, leave: this.#fanOut.add(filter, subscriber) });
        },
        fail: (error) => {
          settle();
          reject(error);
        },
      };
      this.#joining.add(joining);
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) joining.fail(signal.reason);
      else this.#letIn();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#follower[Symbol.asyncDispose]();
  }

  #upstream(): Upstream<WatchSessionsResponse> {
    return {
      name: "session-identity",
      open: (signal) => this.#open(signal),
      take: (message) => this.#take(message),
      lost: (error) => this.#lost(error),
      idle: () => this.#forget(),
    };
  }

  #open(signal: AbortSignal): AsyncIterable<WatchSessionsResponse> {
    const { identity, limits } = this.#deps;
    const bookmarkInterval = durationFromMs(limits.followBookmarkMs);
    const request = { resumeToken: this.#token, skipSnapshot: true, bookmarkInterval };
    return identity.watchSessions(request, { signal });
  }

  #take(message: WatchSessionsResponse): void {
    this.#tell(message);
    this.#token = message.resumeToken;
    this.#position = message.position;
    this.#isBoundary = message.isBoundary;
    this.#letIn();
  }

  #tell(message: WatchSessionsResponse): void {
    const { tenant, event } = message;
    if (event.case === "merged") {
      const { sessionKey: from, survivorSessionKey: to } = event.value;
      this.#fanOut.tellLeading(tenant, { from, to }, (leadsTo) => toldMerge(message, leadsTo));
    } else {
      const key = keyOf(message);
      if (key !== undefined) this.#fanOut.tell(tenant, key, () => toldSession(message));
    }
  }

  #letIn(): void {
    if (!this.#isBoundary) return;
    for (const joining of this.#joining) {
      if (joining.position <= this.#position) joining.join(this.#token);
    }
  }

  #lost(error: unknown): void {
    if (hasReason(error, "RESUME_TOKEN_EXPIRED")) this.#forget();
    for (const joining of this.#joining) joining.fail(error);
    this.#fanOut.fail(error);
  }

  /** The next watch begins at the present; who joins reads what stands before it. */
  #forget(): void {
    this.#token = "";
    this.#position = -1n;
    this.#isBoundary = false;
  }
}
