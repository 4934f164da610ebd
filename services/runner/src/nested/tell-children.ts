import { createHash } from "node:crypto";
import { DeliveryState } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { hasReason } from "@lanekeeper/rpc";
import { inTrace } from "@lanekeeper/service";
import type { RunnerContext } from "../context.ts";
import type { RunnerDeps } from "../deps.ts";
import { LIMITS } from "../limits.ts";
import { accept } from "../rpc/accept.ts";
import { giveUpChildTurn } from "../store/nested/child-turns.ts";
import {
  type DueChild,
  dueChildTurns,
  type HandedOver,
  handedOverChildTurns,
} from "../store/nested/due-child-turns.ts";
import { outcomeTurn } from "./child-outcome.ts";

/**
 * Tells sessions of turns that they sent and no longer wait for, where no reply of these is on its way
 * through delivery: failed ones, and answers that came after the wait.
 */
export async function tellChildren(context: RunnerContext): Promise<void> {
  const { deps, runner } = context;
  if (runner.isDraining) return;
  for (const child of await dueChildTurns(deps.db, LIMITS.sweepBatch)) await tell(context, child);
}

/**
 * Tells sessions what their subagents answered where delivery took the answer and does not bring it: it
 * refused it for good or ran out of time, and keeps it as a dead letter, or has forgotten it.
 */
export async function tellUndelivered(context: RunnerContext): Promise<void> {
  const { deps, runner } = context;
  if (runner.isDraining) return;
  const { undeliveredLookMs, sweepBatch } = LIMITS;
  for (const child of await handedOverChildTurns(deps.db, undeliveredLookMs, sweepBatch)) {
    const { tenant, childTurnId: turn_id } = child;
    const log = inTrace(deps.log, child.traceparent);
    try {
      if (await isOnItsWay(deps, child)) continue;
    } catch (err) {
      const message = "delivery could not be asked what became of a subagent's answer";
      return log.warn({ err, tenant, turn_id }, message);
    }
    log.info({ tenant, turn_id }, "delivery does not bring a subagent's answer");
    await tell(context, child);
  }
}

async function isOnItsWay(
  { delivery }: Pick<RunnerDeps, "delivery">,
  child: HandedOver,
): Promise<boolean> {
  const { tenant, principal, childTurnId: turnId, routeId } = child;
  const request = { turnId, routeId, pageSize: 1 };
  const { deliveries } = await delivery.listDeliveries(request, {
    tenant,
    principal,
    within: child,
  });
  const [found] = deliveries;
  return found?.state === DeliveryState.PENDING || found?.state === DeliveryState.SENDING;
}

async function tell(context: RunnerContext, child: DueChild): Promise<void> {
  const { deps } = context;
  const { tenant, childTurnId, parentSessionKey: session_key } = child;
  try {
    const turn = await outcomeTurn(deps, child, {
      idempotencyKey: `child/${childTurnId}`,
      fingerprint: createHash("sha256").update(childTurnId).digest(),
      reply: undefined,
    });
    await accept(context, turn, false);
  } catch (err) {
    const about = { err, tenant, session_key, turn_id: childTurnId };
    const log = inTrace(deps.log, child.traceparent);
    log.warn(about, "a session was not told what became of a turn that it sent");
    // The session is gone: asking again each second would change nothing.
    if (hasReason(err, "NOT_FOUND")) await giveUpChildTurn(deps.db, child);
  }
}
