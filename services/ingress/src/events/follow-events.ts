import type { DeliveryClient } from "@lanekeeper/client";
import type { WatchSessionsResponse } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import {
  type Caller,
  type CallOptions,
  isRetryable,
  LanekeeperError,
  storeUnavailable,
} from "@lanekeeper/rpc";
import { backoffMs, type Clock } from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";
import type { EventsQuestion } from "./question.ts";

export interface FollowDeps {
  readonly delivery: Pick<DeliveryClient, "watchSessions">;
  readonly clock: Clock;
  readonly limits: Pick<IngressLimits, "reattachTimeoutMs" | "reattachBackoffMs">;
}

/**
 * Delivery's stream for this caller. Where a replica goes away it goes on at another from the last
 * token; lanes then begin with those that have work, once more. Without a token only the subscriber
 * can begin anew. @throws what delivery says, the signal's reason
 */
export async function* followEvents(
  { delivery, clock, limits }: FollowDeps,
  question: EventsQuestion,
  caller: Caller & Pick<CallOptions, "requestId" | "within">,
  signal: AbortSignal,
): AsyncGenerator<WatchSessionsResponse> {
  const { first: baseMs, longest: maxMs } = limits.reattachBackoffMs;
  let resumeToken = question.resumeToken;
  let hasBegun = false;
  for (let failures = 0, sinceMs = clock.monotonicMs(); ; failures += 1) {
    try {
      for await (const message of delivery.watchSessions(
        { ...question, resumeToken },
        { ...caller, signal },
      )) {
        hasBegun = true;
        failures = 0;
        sinceMs = clock.monotonicMs();
        resumeToken = message.event?.resumeToken || resumeToken;
        yield message;
      }
      throw storeUnavailable("delivery ended the stream", undefined, "delivery");
    } catch (error) {
      signal.throwIfAborted();
      const goesOn = hasBegun && resumeToken !== "" && isBroken(error);
      if (!goesOn || clock.monotonicMs() - sinceMs > limits.reattachTimeoutMs) throw error;
    }
    await clock.sleep(backoffMs(failures, { baseMs, maxMs }), signal);
  }
}

/** A connection that dies shows as any code; a refusal always carries a reason. */
function isBroken(error: unknown): boolean {
  return isRetryable(error) || !(error instanceof LanekeeperError);
}
