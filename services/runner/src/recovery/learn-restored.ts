import { learnSession } from "../answering/session-parents.ts";
import type { RunnerDeps } from "../deps.ts";
import type { OnRotated } from "../runs/rotations.ts";
import type { Errands } from "./errands.ts";

/**
 * A session that goes on from another, as RESTORE, FORK and REPLAY make it, is known here once it stands, and
 * not only when somebody speaks in it: what it reads as its past is kept for it from then on. To be told of
 * keys that no run holds.
 */
export function learningRestored(
  deps: Pick<RunnerDeps, "db" | "identity">,
  errands: Errands,
): OnRotated {
  return (tenant, session) => {
    const { ref, parentSessionId } = session;
    if (parentSessionId === "") return;
    errands.add({
      about: { tenant, session_key: ref?.sessionKey, session_id: ref?.sessionId },
      undone: "a session's past is not known",
      run: (signal) => learnSession(deps, tenant, session, { tenant, signal }),
    });
  };
}
