import type { Calls, ToldTurn } from "../history/calls.ts";
import type { FinalTurn } from "../history/sights.ts";

/** The key of the histories made by hand, and its name. */
export const KEY = "agent:main:k";

/** As most turns are asked for. */
export const ENQUEUED = { turnClass: "PERSON", onConflict: "ENQUEUE", intoTurnId: "" } as const;

type Ask = Calls["turn"]["ask"];

export function asking(text: string, changed: Partial<Ask> = {}): Ask {
  const flags = { attached: true, routed: false, nested: false };
  return { tenant: "t", name: "k", text, idempotency: "i1", ...flags, ...changed };
}

export function answered(turnId: string, reply = ""): ToldTurn {
  return { turnId, key: KEY, sessionId: "s1", generation: 1, state: "COMPLETED", reply };
}

export function finalTurn(turnId: string, state = "COMPLETED", idempotency = "i1"): FinalTurn {
  const about = { tenant: "t", key: KEY, turnId, state, laneSeq: 1, idempotency };
  return { ...about, generation: 1, reply: "", routed: false, ...ENQUEUED, runs: [] };
}
