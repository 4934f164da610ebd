import type { MessageInitShape } from "@bufbuild/protobuf";
import type { IdentityClient } from "@lanekeeper/client";
import type {
  WatchSessionsRequestSchema,
  WatchSessionsResponse,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { type CallContext, isRetryable, later, storeUnavailable } from "@lanekeeper/rpc";
import { backoffMs, type Clock } from "@lanekeeper/service";
import type { Limits } from "../limits.ts";
import type { DeliveryMetrics } from "../metrics.ts";

export type WatchRequest = MessageInitShape<typeof WatchSessionsRequestSchema>;

/** Where subscribers get session states from. */
export interface WatchSource {
  /** The tenant of `call` only; ends with the call. @throws RATE_LIMITED over the bound of subscribers */
  watch(request: WatchRequest, call: CallContext): AsyncIterable<WatchSessionsResponse>;
}

export interface WatchDeps {
  readonly identity: Pick<IdentityClient, "watchSessions">;
  readonly clock: Pick<Clock, "sleep" | "monotonicMs">;
  readonly limits: Pick<Limits, "subscribers" | "watchBackoff" | "watchOutageMs">;
  readonly metrics: Pick<DeliveryMetrics, "subscribers">;
}

const FULL_RETRY_MS = 5_000;

/**
 * Each subscriber has a call of its own to session-identity, with its own tenant and filter, so that
 * order, completeness and tokens are session-identity's, unchanged; there, one poll of the database
 * serves all calls of a replica. A shared call would hand out tokens that cannot be told apart from
 * older ones when a subscriber joins. What a subscriber leaves unread is bounded on both sides, and
 * ends with SLOW_CONSUMER.
 */
export function watchSource(deps: WatchDeps): WatchSource {
  const { limits, metrics } = deps;
  let subscribers = 0;
  const count = (change: 1 | -1): void => {
    subscribers += change;
    metrics.subscribers(subscribers);
  };
  return {
    async *watch(request, call) {
      if (subscribers >= limits.subscribers) {
        const message = `a replica has at most ${limits.subscribers} subscribers`;
        throw later("RATE_LIMITED", message, FULL_RETRY_MS);
      }
      count(1);
      try {
        yield* resumed(deps, request, call);
      } finally {
        count(-1);
      }
    },
  };
}

/**
 * Goes on from the last token where session-identity went away for a while, such as a restart. Without
 * a token, within a snapshot, only the subscriber can begin anew.
 */
async function* resumed(
  deps: WatchDeps,
  request: WatchRequest,
  call: CallContext,
): AsyncIterable<WatchSessionsResponse> {
  let resumeToken = request.resumeToken ?? "";
  let outage: Outage = NO_OUTAGE;
  for (;;) {
    try {
      const upstream = deps.identity.watchSessions({ ...request, resumeToken }, { parent: call });
      for await (const event of upstream) {
        if (event.resumeToken !== "") resumeToken = event.resumeToken;
        outage = NO_OUTAGE;
        yield event;
      }
      throw storeUnavailable("session-identity ended the feed");
    } catch (error) {
      if (resumeToken === "" || !isRetryable(error)) throw error;
      outage = await pause(deps, outage, error, call.signal);
    }
  }
}

interface Outage {
  readonly sinceMs: number | undefined;
  readonly failures: number;
}

const NO_OUTAGE: Outage = { sinceMs: undefined, failures: 0 };

/** @throws `error` when the outage has lasted too long */
async function pause(
  { clock, limits }: WatchDeps,
  { sinceMs = clock.monotonicMs(), failures }: Outage,
  error: unknown,
  signal: AbortSignal,
): Promise<Outage> {
  if (clock.monotonicMs() - sinceMs > limits.watchOutageMs) throw error;
  await clock.sleep(backoffMs(failures, limits.watchBackoff), signal);
  return { sinceMs, failures: failures + 1 };
}
