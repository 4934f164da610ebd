import { type CallContext, LanekeeperError } from "@lanekeeper/rpc";
import type { RunnerContext } from "../context.ts";
import { LIMITS } from "../limits.ts";
import { cancelTurn } from "../running/cancel.ts";
import { markCallerGone } from "../store/find-request.ts";
import type { StoredTurn } from "../store/turn-row.ts";

/** @throws RATE_LIMITED where this replica holds as many attachments as it may */
export function requireRoom({ attachments }: Pick<RunnerContext, "attachments">): void {
  if (attachments.total < LIMITS.attachmentsPerReplica) return;
  const limit = String(LIMITS.attachmentsPerReplica);
  throw new LanekeeperError("RATE_LIMITED", `this replica holds ${limit} attachments`, {
    metadata: { limit },
    retryAfterMs: 1_000,
  });
}

/** Others may look on, such as operators; that a turn's caller was cut off is not theirs to tell. */
export function isCaller({ principal }: StoredTurn, call: CallContext): boolean {
  return principal === call.principal;
}

/** Who leaves does not cancel, unless asked to; a retry without a key may join what was left. */
export function onLeft(
  context: RunnerContext,
  turn: StoredTurn,
  call: CallContext,
  isCancelling: boolean,
): void {
  const { deps } = context;
  const { tenant, turnId } = turn;
  // A server that ends cuts its callers off; they come back to another replica.
  if (context.runner.isDraining || (!isCancelling && !isCaller(turn, call))) return;
  const work = isCancelling
    ? cancelTurn(context.cancelParts, tenant, turnId, "the caller hung up")
    : markCallerGone(deps.db, tenant, turnId, true);
  work.catch((err: unknown) =>
    deps.log.warn({ err, turn_id: turnId }, "a caller's leaving was not recorded"),
  );
}
