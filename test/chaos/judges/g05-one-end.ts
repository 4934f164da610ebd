import { Case, type Judge } from "./judge.ts";

export const TERMINAL = new Set([
  ...["COMPLETED", "FAILED", "INTERRUPTED", "CANCELLED", "SUPERSEDED"],
  ...["COALESCED", "SKIPPED"],
]);

/**
 * An accepted turn is never lost and reaches exactly one terminal state. Who joined another turn is told the
 * end of that one in place of its own.
 */
export const oneEnd: Judge = (history) => {
  const about = new Case("G5", "accepted turns that were found at their end");
  const finals = new Map(history.values("finalTurn").map((turn) => [turn.turnId, turn]));
  const states = new Map<string, Set<string>>();
  for (const { answer, end, refused } of history.calls("turn")) {
    const turnId = answer?.turnId ?? refused?.metadata["turn_id"] ?? "";
    if (turnId === "") continue;
    const found = finals.get(turnId);
    if (found === undefined) {
      about.find(answer?.key ?? "", end, `the turn ${turnId} was accepted and is lost`);
      continue;
    }
    const told = answer?.state ?? "";
    if (told !== "") states.set(turnId, (states.get(turnId) ?? new Set()).add(told));
  }
  for (const { at, value } of history.seen("finalTurn")) {
    if (!TERMINAL.has(value.state)) {
      about.find(value.key, at, `the turn ${value.turnId} never ended: ${value.state}`);
      continue;
    }
    about.count();
    const host = value.state === "COALESCED" ? finals.get(value.intoTurnId) : undefined;
    const told = [...(states.get(value.turnId) ?? [])].filter((state) => state !== host?.state);
    const all = new Set([...told, value.state]);
    if (all.size === 1) continue;
    about.find(value.key, at, `the turn ${value.turnId} ended as ${[...all].join(" and as ")}`);
  }
  return about.verdict;
};
