import { LIMITS } from "../limits.ts";
import { movedIntoCycle, type WaitEdge } from "../store/nested/wait-edges.ts";
import type { RunnerDeps } from "../deps.ts";

/**
 * Looks, until the signal aborts, whether a merge has led a wait into a cycle of lanes: the edge was
 * checked when it was made, and is re-pointed with the turns that it waits for.
 */
export function watchWait(
  deps: Pick<RunnerDeps, "db" | "clock" | "log">,
  edge: WaitEdge,
  signal: AbortSignal,
  onCycle: (sessionKey: string) => void,
): void {
  void lookAgainAndAgain(deps, edge, signal, onCycle);
}

async function lookAgainAndAgain(
  { db, clock, log }: Pick<RunnerDeps, "db" | "clock" | "log">,
  edge: WaitEdge,
  signal: AbortSignal,
  onCycle: (sessionKey: string) => void,
): Promise<void> {
  for (;;) {
    await clock.sleep(LIMITS.movedWaitCheckMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    try {
      const sessionKey = await movedIntoCycle(db, edge);
      if (sessionKey !== undefined) return onCycle(sessionKey);
    } catch (err) {
      const { tenant, fromKey: session_key } = edge;
      log.warn(
        { err, tenant, session_key },
        "whether a wait closes a cycle could not be looked up",
      );
    }
  }
}
