import type { Rotation, Session } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { CallOptions } from "@lanekeeper/rpc";
import { hasReason } from "@lanekeeper/rpc";
import { compactedBy } from "../domain/compaction.ts";
import { LIMITS } from "../limits.ts";
import { readSession, type SeenSession, seeSession } from "../store/answering/sessions.ts";
import type { RunnerDeps } from "../deps.ts";

type ParentDeps = Pick<RunnerDeps, "db" | "identity">;

/**
 * Remembers a session with its parents, as far back as they are not known yet: history is read
 * through the chain, and session-identity alone knows it.
 */
export async function learnSession(
  deps: ParentDeps,
  tenant: string,
  session: Session | undefined,
  call: CallOptions,
): Promise<void> {
  const ref = session?.ref;
  if (session === undefined || ref === undefined || session.parentSessionId === "") return;
  if ((await readSession(deps.db, tenant, ref.sessionId)) !== undefined) return;
  await knowSession(deps, tenant, session.parentSessionId, call);
  const rotation = await rotationInto(deps, ref, call);
  await seeSession(deps.db, tenant, {
    ...ref,
    parentSessionId: session.parentSessionId,
    parentThroughTurnId: rotation?.parentThroughTurnId ?? "",
    compactedByRunId: compactedBy(rotation),
  });
}

/** Remembers a session by its id alone, with its parents; session-identity may not know it any more. */
export async function knowSession(
  deps: ParentDeps,
  tenant: string,
  sessionId: string,
  call: CallOptions,
): Promise<void> {
  const unseen: SeenSession[] = [];
  for (let id = sessionId; id !== "" && unseen.length < LIMITS.parentDepth; ) {
    if ((await readSession(deps.db, tenant, id)) !== undefined) break;
    const found = await askFor(deps, id, call);
    if (found === undefined) break;
    unseen.push(found);
    id = found.parentSessionId;
  }
  // The oldest first: who is known has known parents.
  for (const seen of unseen.toReversed()) await seeSession(deps.db, tenant, seen);
}

async function askFor(
  deps: ParentDeps,
  sessionId: string,
  call: CallOptions,
): Promise<SeenSession | undefined> {
  const { identity } = deps;
  try {
    const by = { case: "sessionId" as const, value: sessionId };
    const { session, rotation: before } = await identity.getSession({ session: by }, call);
    const current = before?.current ?? session?.ref;
    if (current?.sessionId !== sessionId) return undefined;
    // Of one that still stands the rotation is not told with it.
    const rotation =
      before ?? (session?.parentSessionId ? await rotationInto(deps, current, call) : undefined);
    return {
      sessionId,
      sessionKey: current.sessionKey,
      generation: current.generation,
      parentSessionId: rotation?.parentSessionId ?? session?.parentSessionId ?? "",
      parentThroughTurnId: rotation?.parentThroughTurnId ?? "",
      compactedByRunId: compactedBy(rotation),
    };
  } catch (error) {
    if (hasReason(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

/**
 * REPLAY names a last turn and COMPACTION its run; the rotation that made the session tells both. Of who
 * stands under the key it is the last one; who was rotated away since is told with its own. What is
 * learnt is kept for good, so that the moment at which it is asked must not matter.
 */
async function rotationInto(
  { identity }: ParentDeps,
  { sessionKey, sessionId }: { readonly sessionKey: string; readonly sessionId: string },
  call: CallOptions,
): Promise<Rotation | undefined> {
  const { rotations } = await identity.listRotations({ sessionKey, pageSize: 1 }, call);
  const last = rotations[0];
  if (last?.current?.sessionId === sessionId) return last;
  const by = { case: "sessionId" as const, value: sessionId };
  return (await identity.getSession({ session: by }, call)).rotation;
}
