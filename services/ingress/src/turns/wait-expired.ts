import { LanekeeperError } from "@lanekeeper/rpc";

/** Nobody waits for an accepted turn any more, which goes on: a retry joins it. */
export function waitExpired(turnId: string, message: string, cause?: unknown): LanekeeperError {
  const options = cause === undefined ? {} : { cause };
  return new LanekeeperError("WAIT_EXPIRED", message, {
    ...options,
    metadata: { turn_id: turnId },
  });
}

/** Who waits at a process that ends. */
export function waitsElsewhere(turnId: string, cause?: unknown): LanekeeperError {
  const message = "this replica is shutting down; ask again to join the turn";
  return waitExpired(turnId, message, cause);
}
