import { LanekeeperError, serviceMetadata } from "@lanekeeper/rpc";
import { responseId } from "../openai/responses/response-id.ts";

/**
 * Nobody waits for an accepted turn any more, which goes on. A client that retries by itself joins it; who asks
 * again in the same words without saying that it is a retry is a second turn, so the message tells the ways.
 * @param what why nobody waits.
 * @param of the error behind it, and the service that was silent
 */
export function waitExpired(
  turnId: string,
  what: string,
  { cause, service }: { readonly cause?: unknown; readonly service?: string } = {},
): LanekeeperError {
  const message =
    `${what}; the turn goes on: GET /v1/responses/${responseId(turnId)} tells its answer, and so does the ` +
    "same request under its Idempotency-Key, or as a retry of the openai package";
  return new LanekeeperError("WAIT_EXPIRED", message, {
    ...(cause === undefined ? {} : { cause }),
    metadata: { turn_id: turnId, ...serviceMetadata(service) },
  });
}

/** Who waits at a process that ends. */
export function waitsElsewhere(turnId: string, cause?: unknown): LanekeeperError {
  return waitExpired(turnId, "this replica is shutting down", { cause });
}
