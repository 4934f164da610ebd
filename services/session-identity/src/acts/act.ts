import { isUnavailable, retryOnDeadlock } from "@lanekeeper/postgres";
import { storeUnavailable } from "@lanekeeper/rpc";
import type { IdentityContext } from "../context.ts";
import type { Now } from "../domain/decision.ts";
import type { ActEffects } from "../domain/merge.ts";
import type { RunRecord } from "../domain/records.ts";
import { isRefusal, type Refusal } from "../domain/refusal.ts";
import { LIMITS } from "../limits.ts";
import type { Tx } from "../store/db.ts";
import { acceptedRow, type Asker } from "../store/journal/journal-rows.ts";
import { lookUp, type Wanted } from "../store/batch/look-up.ts";
import { BatchWrites } from "../store/batch/write-batch.ts";
import { type JournalledAct, journalRefused } from "./journal-refused.ts";
import { ConnectionsChanged } from "./locked-keys.ts";

/** For whom an operator's or adapter's act is done. */
export interface Actor {
  readonly tenant: string;
  readonly asker: Asker;
}

/**
 * Runs an act in one transaction, again where rows were connected otherwise once they were locked. A
 * refusal rolls back everything, and is journalled as `journalled` says; undefined: it is nobody's call.
 */
export async function act<Answer>(
  context: IdentityContext,
  work: (tx: Tx, writes: BatchWrites) => Promise<Answer | Refusal>,
  journalled?: JournalledAct,
): Promise<Answer | Refusal> {
  const { db, feed, replica } = context;
  try {
    const { answer, tells } = await untilConnected(() =>
      retryOnDeadlock(() =>
        db.transaction(async (tx) => {
          const writes = new BatchWrites(replica);
          const done = await work(tx, writes);
          if (isRefusal(done)) throw new RolledBack(done);
          await writes.flush(tx);
          return { answer: done, tells: writes.tells };
        }),
      ),
    );
    if (tells !== "nothing") feed.nudge(tells);
    return answer;
  } catch (error) {
    if (error instanceof RolledBack) {
      if (journalled !== undefined) await journalRefused(context, journalled, error.refusal);
      return error.refusal;
    }
    if (isUnavailable(error)) throw storeUnavailable("the database cannot be reached", error);
    throw error;
  }
}

/** Carries a refusal out of the transaction that it ends. */
class RolledBack extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.reason);
    this.refusal = refusal;
  }
}

async function untilConnected<Done>(attempt: () => Promise<Done>): Promise<Done> {
  for (let number = 1; ; number += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ConnectionsChanged) || number >= LIMITS.resolveAttempts) throw error;
    }
  }
}

/** Notes what an act's rule decided. */
export function applyAct(
  writes: BatchWrites,
  { tenant, asker }: Actor,
  nowMs: number,
  effects: ActEffects,
): void {
  for (const { state, mergedInto, isTold = false } of effects.changes) {
    const merged = mergedInto === undefined ? undefined : { rotated: true, mergedInto };
    writes.key(state, isTold ? { rotated: false } : merged);
  }
  for (const run of effects.runs) writes.run(tenant, run);
  for (const { sessionKey, draft } of effects.journal) {
    const about = { tenant, sessionKey, nowMs, ruleSetVersion: writes.ruleSetVersion, asker };
    writes.journal(acceptedRow(about, draft));
  }
}

/** The time, and records of runs, read after the locks. */
export async function lookUpRuns(
  tx: Tx,
  tenant: string,
  runIds: readonly (string | undefined)[],
  requestId?: string,
): Promise<{
  readonly now: Now;
  readonly runs: readonly (RunRecord | undefined)[];
  readonly request: { readonly fingerprint: string; readonly answer: unknown } | undefined;
}> {
  const base: Wanted = {
    tenant,
    sessionKey: "",
    ...(requestId === undefined ? {} : { requestId }),
  };
  const found = await lookUp(tx, [base, ...runIds.map((runId) => ({ ...base, runId }))]);
  const [first, ...rest] = found;
  if (first === undefined) throw new Error("the look-up gives a row per question");
  const { nowMs: ms, postmasterStartMs, request } = first;
  return { now: { ms, postmasterStartMs }, runs: rest.map(({ run }) => run), request };
}
