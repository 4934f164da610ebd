import type { Refused } from "../history/calls.ts";
import { mayBeDoubled } from "../history/doubled.ts";
import type { Op } from "../history/history.ts";
import { Case, type Judge } from "./judge.ts";

/** A request refused without a turn id changed nothing: nobody ever sees what it said. */
export const noTrace: Judge = (history) => {
  const about = new Case("G16", "refused requests that left no trace");
  const isDoubled = mayBeDoubled(history);
  const accepted = new Set(
    history
      .calls("turn")
      .filter((op) => mayBeAccepted(op) || isDoubled(op))
      .map(({ ask }) => ask.idempotency),
  );
  const turns = new Map(history.values("finalTurn").map((turn) => [turn.idempotency, turn]));
  const said = [
    ...history.values("finalMessage").map(({ text }) => text),
    ...history.values("asked").flatMap(({ shown }) => shown),
  ].join("\n");
  for (const { ask, refused, end, outcome } of history.calls("turn")) {
    if (outcome !== "fail" || turnIdOf(refused) !== "") continue;
    // A later attempt under the same key may have been accepted.
    if (accepted.has(ask.idempotency)) continue;
    const turn = turns.get(ask.idempotency);
    if (turn !== undefined) {
      about.find(turn.key, end, `${refused?.reason} was told, and the turn ${turn.turnId} stands`);
    } else if (said.includes(ask.text)) {
      about.find("", end, `${refused?.reason} was told, and "${ask.text}" was said`);
    } else about.count();
  }
  return about.verdict;
};

function mayBeAccepted({ outcome, refused }: Op<"turn">): boolean {
  return outcome !== "fail" || turnIdOf(refused) !== "";
}

function turnIdOf(refused: Refused | undefined): string {
  return refused?.metadata["turn_id"] ?? "";
}
