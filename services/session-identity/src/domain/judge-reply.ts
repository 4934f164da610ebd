import { noSession, staleGeneration } from "./judge-run.ts";
import { hasSession, type KeyState, type StandingKey } from "./key-state.ts";
import type { ReplyFence } from "./records.ts";
import type { Refusal } from "./refusal.ts";

/**
 * May this reply still go out? One number decides: the lowest generation whose replies may. Not
 * run_epoch, since the next run may begin before a reply is sent; not a merge, since a reply that
 * was committed is owed to the place it was asked from.
 */
export function judgeReply(state: KeyState | undefined, shown: ReplyFence): Refusal | StandingKey {
  if (!hasSession(state)) return noSession(shown.sessionKey, state);
  const { oldestDeliverable, generation } = state.session;
  if (shown.generation < oldestDeliverable)
    return staleGeneration(state, { into: oldestDeliverable });
  // A generation that has not begun: the database lost it. Nothing of that history may go on.
  if (shown.generation > generation) return staleGeneration(state, { after: shown.generation });
  return state;
}
