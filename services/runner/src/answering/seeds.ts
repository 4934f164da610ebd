import type { RunnerDeps } from "../deps.ts";
import { persist } from "../persist.ts";
import type { StoredTurn } from "../store/turn-row.ts";
import { readSession } from "../store/answering/sessions.ts";
import { readHistory } from "./history.ts";

/**
 * Whether what a turn brought from elsewhere goes into its session's transcript: where nothing was said
 * before it. Of a turn that ends before its run has looked, since its input stands there for good.
 */
export async function takesSeed(
  deps: Pick<RunnerDeps, "db" | "steps" | "clock" | "log">,
  turn: Pick<StoredTurn, "tenant" | "seed">,
  session: { readonly sessionId: string; readonly parentSessionId: string },
): Promise<boolean> {
  if (turn.seed.length === 0 || session.parentSessionId !== "") return false;
  const { said, summary } = await persist(deps, "read what was said", () =>
    readHistory(deps, turn.tenant, session.sessionId, 1),
  );
  return said.length === 0 && summary === "";
}

/** The same of a session of which only what the runner has seen is known. */
export async function takesSeedOfSeen(
  deps: Pick<RunnerDeps, "db" | "steps" | "clock" | "log">,
  turn: Pick<StoredTurn, "tenant" | "seed">,
  sessionId: string,
): Promise<boolean> {
  const seen = await persist(deps, "read a session", () =>
    readSession(deps.db, turn.tenant, sessionId),
  );
  return takesSeed(deps, turn, { sessionId, parentSessionId: seen?.parentSessionId ?? "" });
}
