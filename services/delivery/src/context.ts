import type { IdentityClient } from "@lanekeeper/client";
import type { Clock, Ids, Log } from "@lanekeeper/service";
import type { AllowedNetworks } from "@lanekeeper/addresses";
import type { WatchSource } from "./fanout/watch-source.ts";
import type { Limits } from "./limits.ts";
import type { Hints } from "./progress/hints.ts";
import type { DeliveryMetrics } from "./metrics.ts";
import type { ReplySteps } from "./store/sending/reply-steps.ts";
import type { DeliveryDatabase } from "./store/sql.ts";

/** What the RPCs of delivery work with. */
export interface DeliveryContext {
  readonly db: DeliveryDatabase;
  readonly steps: ReplySteps;
  readonly identity: IdentityClient;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: DeliveryMetrics;
  readonly allowedNetworks: AllowedNetworks;
  readonly sessions: WatchSource;
  readonly hints: Pick<Hints, "show">;
  /** Something was enqueued here: the pump looks at once. */
  readonly nudge: () => void;
}
