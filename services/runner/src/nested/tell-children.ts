import { createHash } from "node:crypto";
import { hasReason } from "@lanekeeper/rpc";
import type { RunnerContext } from "../context.ts";
import { LIMITS } from "../limits.ts";
import { accept } from "../rpc/accept.ts";
import { dueChildTurns, giveUpChildTurn } from "../store/nested/child-turns.ts";
import { outcomeTurn } from "./child-outcome.ts";

/**
 * Tells sessions of turns that they sent and no longer wait for, where no reply of these is on its way
 * through delivery: failed ones, and answers that came after the wait.
 */
export async function tellChildren(context: RunnerContext): Promise<void> {
  const { deps, runner } = context;
  if (runner.isDraining) return;
  for (const child of await dueChildTurns(deps.db, LIMITS.sweepBatch)) {
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
      deps.log.warn(about, "a session was not told what became of a turn that it sent");
      // Its agent or its session is gone: asking again each second would change nothing.
      if (hasReason(err, "UNKNOWN_MODEL", "NOT_FOUND")) await giveUpChildTurn(deps.db, child);
    }
  }
}
