import type { IdentityClient } from "@lanekeeper/client";
import type { CallOptions } from "@lanekeeper/rpc";
import { inTrace, type Log, turnLog, withSpan } from "@lanekeeper/service";
import { settledSeq } from "../domain/event-seq.ts";
import type { Limits } from "../limits.ts";
import { adoptOutcome, type Recorded } from "../store/sending/adopt-outcome.ts";
import type { DeliveryDatabase } from "../store/sql.ts";
import type { ReplySteps } from "../store/sending/reply-steps.ts";
import { type DeliveryName, type Untold, untoldOf } from "../store/sending/untold.ts";
import { isForGood } from "./fence.ts";
import { recordedIn } from "./recorded.ts";
import { replyCall, replyWriter } from "./reply-call.ts";

export interface TellDeps {
  readonly db: DeliveryDatabase;
  readonly steps: Pick<ReplySteps, "markTold">;
  readonly identity: Pick<IdentityClient, "writeLifecycle">;
  readonly log: Log;
  readonly limits: Pick<Limits, "fenceMs" | "settleMs">;
}

/**
 * Tells session-identity what became of a delivery's attempts, in order. False: it could not be told
 * all; what is left stays stored. Whoever tells the same again, on any replica, gets the same answer.
 * A process that died after it had told what came of its attempt, and before it had written it, has left
 * it `unknown`: what was told is adopted.
 */
export async function tellOutcomes(deps: TellDeps, name: DeliveryName): Promise<boolean> {
  try {
    for (const untold of await untoldOf(deps.db, name)) {
      if (!(await tellOutcome(deps, untold))) return false;
    }
    return true;
  } catch (err) {
    deps.log.debug({ err, delivery_id: name.deliveryId }, "what is untold could not be read");
    return false;
  }
}

/** Tells one outcome, as far as that is possible now. Everything before it has been told. */
async function tellOutcome(deps: TellDeps, untold: Untold): Promise<boolean> {
  const call = replyCall(untold, deps.limits.fenceMs);
  const tell = async (): Promise<void> => {
    const recorded = await settle(deps, untold, call);
    if (recorded === undefined) await deps.steps.markTold(untold);
    else await adoptOutcome(deps.db, untold, recorded);
  };
  return isDone(deps, untold, tell);
}

/**
 * Tells the outcome of an attempt whose claim is held, and marks nothing. Everything before it has been
 * told. Asks once and not long, since the route waits.
 */
export function settleInTime(deps: SettleDeps, untold: Untold): Promise<boolean> {
  const call = { retry: false, ...replyCall(untold, deps.limits.settleMs) } as const;
  return isDone(deps, untold, async () => void (await settle(deps, untold, call)));
}

async function isDone(
  { log }: Pick<TellDeps, "log">,
  { deliveryId, traceparent }: Untold,
  tell: () => Promise<void>,
): Promise<boolean> {
  const attributes = { "lanekeeper.delivery_id": deliveryId };
  const options = { parent: traceparent, kind: "internal" } as const;
  try {
    await withSpan("delivery.settle", attributes, tell, options);
    return true;
  } catch (err) {
    inTrace(log, traceparent).debug(
      { err, delivery_id: deliveryId },
      "an outcome could not be told yet",
    );
    return false;
  }
}

type SettleDeps = Omit<TellDeps, "db" | "steps">;

/** Gives what session-identity has recorded instead, where it tells. */
async function settle(
  { identity, log }: Pick<TellDeps, "identity" | "log">,
  untold: Untold,
  call: CallOptions,
): Promise<Recorded | undefined> {
  const { attempt, untold: state, error, providerMessageId } = untold;
  const event = {
    case: "settled",
    value: { state, providerMessageId, errorMessage: error },
  } as const;
  const request = { writer: replyWriter(untold), eventSeq: settledSeq(attempt), event };
  try {
    await identity.writeLifecycle(request, call);
    return undefined;
  } catch (err) {
    if (!isForGood(err)) throw err;
    const recorded = recordedIn(err, attempt);
    if (recorded !== undefined) return recorded;
    const { tenant, sessionKey, sessionId, generation, turnId } = untold;
    const fields = { tenant, session_key: sessionKey, session_id: sessionId, generation };
    turnLog(log, { ...fields, turn_id: turnId, traceparent: untold.traceparent }).warn(
      { err, delivery_id: untold.deliveryId, attempt },
      "session-identity refuses an outcome",
    );
    return undefined;
  }
}
