import type { IdentityContext } from "../context.ts";
import { currentFence } from "../domain/decision.ts";
import { hasSession, type KeyState } from "../domain/key-state.ts";
import type { Refusal } from "../domain/refusal.ts";
import { BatchWrites } from "../store/batch/write-batch.ts";
import { type Asker, refusedRow } from "../store/journal/journal-rows.ts";
import { readKeys } from "../store/keys/read-keys.ts";
import { readNowMs } from "../store/moments.ts";

/** An act as the journals of its keys have it. */
export interface JournalledAct {
  readonly actor: { readonly tenant: string; readonly asker: Asker };
  readonly operation: string;
  /** Those that the call names; a refusal may name others. */
  readonly keys: readonly string[];
}

/** Where a refusal names keys. */
const NAMED = ["session_key", "other_session_key", "survivor_session_key"];

/**
 * Journals a refusal under each key that exists, in a transaction of its own, since the act was rolled back. A key
 * that is not there has no journal: names that nobody holds would fill it. Never throws: who was refused is told so.
 */
export async function journalRefused(
  { db, replica, log }: Pick<IdentityContext, "db" | "replica" | "log">,
  act: JournalledAct,
  refusal: Refusal,
): Promise<void> {
  const { tenant, asker } = act.actor;
  const keys = new Set([...act.keys, ...NAMED.flatMap((name) => refusal.metadata[name] ?? [])]);
  const wanted = [...keys].map((sessionKey) => ({ tenant, sessionKey, runId: undefined }));
  try {
    await db.transaction(async (tx) => {
      const found = await readKeys(tx, wanted);
      const nowMs = await readNowMs(tx);
      const writes = new BatchWrites(replica);
      const about = { tenant, nowMs, ruleSetVersion: writes.ruleSetVersion, asker };
      for (const { state } of found) {
        if (state === undefined) continue;
        const { sessionKey } = state;
        const draft = { operation: act.operation, ...standingOf(state) };
        writes.journal(refusedRow({ ...about, sessionKey }, draft, refusal));
      }
      await writes.flush(tx);
    });
  } catch (err) {
    log.warn({ err, tenant, operation: act.operation }, "a refusal was not journalled");
  }
}

function standingOf(state: KeyState) {
  if (!hasSession(state)) return {};
  const { sessionId, generation } = state.session;
  return { sessionId, generation, current: currentFence(state) };
}
