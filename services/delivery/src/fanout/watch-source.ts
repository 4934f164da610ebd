import type { MessageInitShape } from "@bufbuild/protobuf";
import type { IdentityClient } from "@lanekeeper/client";
import type { WatchSessionsResponse } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import type { WatchSessionsRequestSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { type CallContext, later } from "@lanekeeper/rpc";
import type { Limits } from "../limits.ts";
import type { DeliveryMetrics } from "../metrics.ts";

/** Where subscribers get session states from. */
export interface WatchSource {
  /** The tenant of `call` only; ends with the call. @throws RATE_LIMITED over the bound of subscribers */
  watch(
    request: MessageInitShape<typeof WatchSessionsRequestSchema>,
    call: CallContext,
  ): AsyncIterable<WatchSessionsResponse>;
}

export interface WatchDeps {
  readonly identity: Pick<IdentityClient, "watchSessions">;
  readonly limits: Pick<Limits, "subscribers">;
  readonly metrics: Pick<DeliveryMetrics, "subscribers">;
}

const RETRY_MS = 5_000;

/**
 * Each subscriber has a call of its own to session-identity, with the caller's tenant: so order,
 * completeness and resume tokens are session-identity's, unchanged. What a subscriber does not read
 * waits in its own stream, whose bounds end it with SLOW_CONSUMER.
 */
export function watchSource({ identity, limits, metrics }: WatchDeps): WatchSource {
  let subscribers = 0;
  const count = (change: 1 | -1): void => {
    subscribers += change;
    metrics.subscribers(subscribers);
  };
  return {
    async *watch(request, call) {
      if (subscribers >= limits.subscribers) {
        throw later("RATE_LIMITED", `a replica has ${limits.subscribers} subscribers`, RETRY_MS);
      }
      count(1);
      try {
        yield* identity.watchSessions(request, { parent: call });
      } finally {
        count(-1);
      }
    },
  };
}
