import type { IdentityClient } from "@lanekeeper/client";
import { type CallContext, later } from "@lanekeeper/rpc";
import type { Limits } from "../limits.ts";
import type { DeliveryMetrics } from "../metrics.ts";
import type { FollowerDeps } from "./follower.ts";
import { LaneFeed, type LaneSource } from "./lane-feed.ts";
import { SessionFeed } from "./session-feed.ts";
import { readBetween, readToNow, type SessionReads } from "./session-reads.ts";
import { Subscriber, type SubscriberLimits } from "./subscriber.ts";
import { type Told, told } from "./told.ts";
import { Turnstile } from "@lanekeeper/service";
import { type WatchFilter, watchFilter, type WatchQuestion } from "./watch-filter.ts";

export interface WatchRequest extends WatchQuestion {
  /** Empty: from a snapshot. */
  readonly resumeToken: string;
  readonly lanes: boolean;
}

/** Where subscribers get states of sessions and lanes from. */
export interface WatchSource extends AsyncDisposable {
  /** The tenant of `call` only; ends with the call. @throws RATE_LIMITED over the bound of subscribers */
  watch(request: WatchRequest, call: CallContext): AsyncIterable<Told["message"]>;
}

export interface WatchDeps extends FollowerDeps {
  readonly identity: Pick<IdentityClient, "watchSessions">;
  readonly runner: LaneSource;
  readonly limits: FollowerDeps["limits"] &
    SubscriberLimits &
    Pick<
      Limits,
      "subscribers" | "readsAtOnce" | "readerPatienceMs" | "followBookmarkMs" | "bookmarkMs"
    >;
  readonly metrics: Pick<DeliveryMetrics, "subscribers">;
}

/** A replica follows each upstream once, and fans out what it is told. */
interface Feeds extends WatchDeps {
  readonly sessions: SessionFeed;
  readonly lanes: LaneFeed;
  readonly reads: SessionReads;
}

const FULL_RETRY_MS = 5_000;

export function watchSource(deps: WatchDeps): WatchSource {
  const { identity, limits, metrics } = deps;
  const sessions = new SessionFeed(deps);
  const lanes = new LaneFeed(deps);
  const turnstile = new Turnstile(limits.readsAtOnce);
  const reads = { identity, turnstile, clock: deps.clock, limits };
  let subscribers = 0;
  const count = (change: 1 | -1): void => {
    subscribers += change;
    metrics.subscribers(subscribers);
  };
  return {
    async *watch(request, call) {
      if (subscribers >= limits.subscribers) {
        const limit = String(limits.subscribers);
        const message = `a replica has at most ${limit} subscribers`;
        throw later("RATE_LIMITED", message, FULL_RETRY_MS, { metadata: { limit } });
      }
      count(1);
      const release = sessions.hold();
      try {
        for await (const { message } of subscribed(
          { ...deps, sessions, lanes, reads },
          request,
          call,
        )) {
          yield message;
        }
      } finally {
        release();
        count(-1);
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([sessions[Symbol.asyncDispose](), lanes[Symbol.asyncDispose]()]);
    },
  };
}

async function* subscribed(
  feeds: Feeds,
  request: WatchRequest,
  call: CallContext,
): AsyncGenerator<Told> {
  const { sessions, reads, clock, limits } = feeds;
  const filter = watchFilter(request, call);
  const { agentId, sessionKeyPrefix } = request;
  const question = { agentId, sessionKeyPrefix };
  const place = yield* readToNow(reads, question, request.resumeToken, call);
  const subscriber = new Subscriber(clock, limits);
  const { token, leave } = await sessions.join(filter, subscriber, place.position, call.signal);
  try {
    yield* readBetween(reads, question, place, token, call);
    yield* live(feeds, request, filter, subscriber, call.signal);
  } finally {
    leave();
  }
}

/** What is told from here on, and a bookmark after each silence of sessions. Ends by throwing. */
async function* live(
  { sessions, lanes, clock, limits }: Feeds,
  request: WatchRequest,
  filter: WatchFilter,
  subscriber: Subscriber,
  signal: AbortSignal,
): AsyncGenerator<Told> {
  const leave = request.lanes ? lanes.join(filter, subscriber) : undefined;
  try {
    for (let tokenMs = clock.monotonicMs(); ; ) {
      const silenceMs = Math.max(0, tokenMs + limits.bookmarkMs - clock.monotonicMs());
      const next = await subscriber.next(silenceMs, signal);
      if (next !== undefined) yield next;
      // Where nothing waits, all that the feed has told has been passed on.
      else if (subscriber.isEmpty) yield bookmark(sessions.token);
      else continue;
      if (next?.message.lane === undefined) tokenMs = clock.monotonicMs();
    }
  } finally {
    leave?.();
  }
}

function bookmark(resumeToken: string): Told {
  return told({ event: { event: { case: "bookmark", value: {} }, resumeToken } });
}
