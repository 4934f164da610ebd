import type { IdentityClient } from "@lanekeeper/client";
import { type Log, turnLog, withSpan } from "@lanekeeper/service";
import { settledSeq } from "../domain/event-seq.ts";
import type { Limits } from "../limits.ts";
import type { Sql } from "../store/sql.ts";
import type { ReplySteps } from "../store/reply-steps.ts";
import { type DeliveryName, type Untold, untoldOf } from "../store/untold.ts";
import { isForGood } from "./fence.ts";
import { replyCall, replyWriter } from "./reply-call.ts";

export interface TellDeps {
  readonly db: Sql;
  readonly steps: Pick<ReplySteps, "markTold">;
  readonly identity: Pick<IdentityClient, "writeLifecycle">;
  readonly log: Log;
  readonly limits: Pick<Limits, "fenceMs">;
}

/**
 * Tells session-identity what became of a delivery's attempts, in order. False: it could not be told
 * all; what is left stays stored. Whoever tells the same again, on any replica, gets the same answer.
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
export async function tellOutcome(deps: TellDeps, untold: Untold): Promise<boolean> {
  const attributes = { "lanekeeper.delivery_id": untold.deliveryId };
  const options = { parent: untold.traceparent, kind: "internal" } as const;
  try {
    await withSpan("delivery.settle", attributes, () => settle(deps, untold), options);
    await deps.steps.markTold(untold);
    return true;
  } catch (err) {
    deps.log.debug({ err, delivery_id: untold.deliveryId }, "an outcome could not be told yet");
    return false;
  }
}

async function settle({ identity, log, limits }: TellDeps, untold: Untold): Promise<void> {
  const { attempt, untold: state, error, providerMessageId } = untold;
  const event = {
    case: "settled",
    value: { state, providerMessageId, errorMessage: error },
  } as const;
  const request = { writer: replyWriter(untold), eventSeq: settledSeq(attempt), event };
  try {
    await identity.writeLifecycle(request, replyCall(untold, limits.fenceMs));
  } catch (err) {
    if (!isForGood(err)) throw err;
    const { tenant, sessionKey, sessionId, generation, turnId } = untold;
    const fields = { tenant, session_key: sessionKey, session_id: sessionId, generation };
    turnLog(log, { ...fields, turn_id: turnId }).warn(
      { err, delivery_id: untold.deliveryId, attempt },
      "session-identity refuses an outcome",
    );
  }
}
