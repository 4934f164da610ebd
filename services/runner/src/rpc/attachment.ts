import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { type CallContext, LanekeeperError } from "@lanekeeper/rpc";
import { inTrace } from "@lanekeeper/service";
import type { RunnerContext } from "../context.ts";
import { LIMITS } from "../limits.ts";
import type { AdmissionResult } from "../admission/admission-result.ts";
import { cancelTurn } from "../lanes/cancel.ts";
import { attach, detach } from "../store/attaching/attached.ts";
import { markCallerGone } from "../store/admission/find-request.ts";
import type { StoredTurn } from "../store/turn-row.ts";

/** A place, to be given back. @throws RATE_LIMITED where this replica holds as many attachments as it may */
export function takePlace(
  { attachments }: Pick<RunnerContext, "attachments">,
  { tenant }: CallContext,
): Disposable {
  const place = attachments.hold(tenant);
  if (place !== undefined) return place;
  const limit = String(LIMITS.attachmentsPerReplica);
  throw new LanekeeperError("RATE_LIMITED", `this replica holds ${limit} attachments`, {
    metadata: { bound: "attachments_per_replica", limit },
    retryAfterMs: 1_000,
  });
}

/** Others may look on, such as operators; that a turn's caller was cut off is not theirs to tell. */
function isCaller({ principal }: StoredTurn, call: CallContext): boolean {
  return principal === call.principal;
}

/**
 * Counts an attachment with those of all replicas, where it asks that its leaving cancel the turn, or where
 * it joins a turn of which one has asked. True: it was counted. One that submits and does not ask costs
 * nothing, and counts at its own replica alone.
 */
export async function countIn(
  { deps }: Pick<RunnerContext, "deps">,
  { turn, disposition }: Pick<AdmissionResult, "turn" | "disposition">,
  call: CallContext,
  asksToCancel: boolean,
): Promise<boolean> {
  if (!asksToCancel && disposition !== Disposition.JOINED) return false;
  const { tenant, turnId } = turn;
  return attach(deps.db, { tenant, turnId, asksToCancel, isCaller: isCaller(turn, call) });
}

/** How an attachment was, that has not seen the turn's end. */
interface Leaving {
  /** Among those of all replicas. */
  readonly isCounted: boolean;
  /** Its leaving cancels the turn, if none that was counted is left. */
  readonly cancels: boolean;
}

/**
 * Who leaves does not cancel, unless it asked to and is the last; a retry without a key may join what was
 * left. Of a replica that died what was counted stays: then the turn goes on.
 */
export function onLeft(
  context: RunnerContext,
  turn: StoredTurn,
  call: CallContext,
  leaving: Leaving = { isCounted: false, cancels: false },
): void {
  // A server that ends cuts its callers off; they come back to another replica.
  const hasGone = call.signal.aborted && !context.runner.isDraining;
  const written = leave(context, turn, call, { ...leaving, hasGone }).catch((err: unknown) =>
    inTrace(context.deps.log, call.traceparent).warn(
      { err, turn_id: turn.turnId },
      "a caller's leaving was not recorded",
    ),
  );
  context.attachments.leaving(written);
}

async function leave(
  { deps, cancelParts }: RunnerContext,
  turn: StoredTurn,
  call: CallContext,
  { isCounted, cancels, hasGone }: Leaving & { readonly hasGone: boolean },
): Promise<void> {
  const { tenant, turnId } = turn;
  const left = isCounted ? await detach(deps.db, tenant, turnId) : 0;
  if (!hasGone) return;
  if (isCounted && cancels && left === 0) {
    await cancelTurn(cancelParts, tenant, turnId, "the caller hung up");
  } else if (isCaller(turn, call)) await markCallerGone(deps.db, tenant, turnId);
}
