import type { Session } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { CallOptions } from "@lanekeeper/rpc";
import { hasReason } from "@lanekeeper/rpc";
import { LIMITS } from "../limits.ts";
import { readSession, type SeenSession, seeSession } from "../store/sessions.ts";
import type { RunnerDeps } from "./deps.ts";

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
  await learnParents(deps, tenant, session.parentSessionId, call);
  const parentThroughTurnId = await throughTurnOf(deps, ref.sessionKey, ref.sessionId, call);
  await seeSession(deps.db, tenant, {
    ...ref,
    parentSessionId: session.parentSessionId,
    parentThroughTurnId,
  });
}

async function learnParents(
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
  { identity }: ParentDeps,
  sessionId: string,
  call: CallOptions,
): Promise<SeenSession | undefined> {
  try {
    const by = { case: "sessionId" as const, value: sessionId };
    const { session, rotation } = await identity.getSession({ session: by }, call);
    const current = rotation?.current ?? session?.ref;
    if (current?.sessionId !== sessionId) return undefined;
    return {
      sessionId,
      sessionKey: current.sessionKey,
      generation: current.generation,
      parentSessionId: rotation?.parentSessionId ?? session?.parentSessionId ?? "",
      parentThroughTurnId: rotation?.parentThroughTurnId ?? "",
    };
  } catch (error) {
    if (hasReason(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

/** REPLAY alone names a last turn; the rotation that made the session tells it. */
async function throughTurnOf(
  { identity }: ParentDeps,
  sessionKey: string,
  sessionId: string,
  call: CallOptions,
): Promise<string> {
  const { rotations } = await identity.listRotations({ sessionKey, pageSize: 1 }, call);
  const last = rotations[0];
  return last?.current?.sessionId === sessionId ? last.parentThroughTurnId : "";
}
