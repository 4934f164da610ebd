import type { Freshness } from "./freshness.ts";
import type { StandingKey } from "./key-state.ts";
import type { Rotation } from "./records.ts";

/**
 * The rotation that an expired session gets when a person's turn begins: no parent, waiting turns
 * run in the new generation, and replies of the old one still go out.
 */
export function rolloverOf(
  state: StandingKey,
  freshness: Exclude<Freshness, "fresh">,
  facts: {
    readonly nowMs: number;
    readonly sessionId: string;
    readonly principal: string;
    readonly sendingCount: number;
  },
): Rotation {
  return {
    sessionKey: state.sessionKey,
    agentId: state.agentId,
    previousSessionId: state.session.sessionId,
    previousGeneration: state.session.generation,
    sessionId: facts.sessionId,
    generation: state.session.generation + 1n,
    reason: freshness === "idle_expired" ? "idle" : "daily",
    parentSessionId: undefined,
    parentThroughTurnId: "",
    principal: facts.principal,
    note: "",
    createMs: facts.nowMs,
    queuedTurns: "carry",
    pendingReplies: "deliver",
    perhapsSentCount: facts.sendingCount,
  };
}
