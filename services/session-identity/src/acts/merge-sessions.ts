import type { CanonicalKey } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import { hasSession, type StandingKey } from "../domain/key-state.ts";
import { decideMerge } from "../domain/merge.ts";
import { isRefusal, type Refusal } from "../domain/refusal.ts";
import { recordedAnswer } from "../engine/rotate-request.ts";
import type { BatchWrites } from "../store/batch/write-batch.ts";
import type { Tx } from "../store/db.ts";
import { act, type Actor, applyAct, lookUpRuns } from "./act.ts";
import { lockConnected } from "./locked-keys.ts";

export interface MergeCommand {
  readonly requestId: string;
  readonly fingerprint: string;
  readonly loser: CanonicalKey;
  readonly survivor: CanonicalKey;
  readonly interruptActiveRun: boolean;
  readonly note: string;
}

export interface Merged {
  readonly sessionKey: string;
  readonly survivorSessionKey: string;
}

/** Merges one key's session into another's. Gives the merge, and the survivor as it stands. */
export function mergeSessions(
  context: IdentityContext,
  actor: Actor,
  command: MergeCommand,
): Promise<{ readonly merged: Merged; readonly survivor: StandingKey } | Refusal> {
  const { loser, survivor, requestId, fingerprint } = command;
  const { tenant } = actor;
  const work = async (tx: Tx, writes: BatchWrites) => {
    const keys = await lockConnected(tx, tenant, [loser, survivor]);
    const state = keys.row(loser);
    const { now, runs, request } = await lookUpRuns(
      ...([tx, tenant, [state?.session?.activeRun?.runId], requestId] as const),
    );
    const standing = keys.row(survivor);
    const recorded = recordedAnswer<Merged>(requestId, fingerprint, request);
    if (isRefusal(recorded)) return recorded;
    if (recorded !== undefined && hasSession(standing))
      return { merged: recorded, survivor: standing };
    const effects = decideMerge({
      now,
      loser: state,
      survivor: standing,
      activeRun: runs[0],
      note: command.note,
      loserKey: loser,
      survivorKey: survivor,
      pointers: keys.pointers(loser),
      interruptActiveRun: command.interruptActiveRun,
      absorbs: 0,
    });
    if (isRefusal(effects)) return effects;
    if (!hasSession(standing)) throw new Error("a merge has a survivor");
    applyAct(writes, actor, now.ms, effects);
    const merged = { sessionKey: loser, survivorSessionKey: survivor };
    writes.request(tenant, requestId, fingerprint, merged, now.ms);
    return { merged, survivor: standing };
  };
  return act(context, work, { actor, operation: "merge", keys: [loser, survivor] });
}
