import { groupBy, type History } from "../history/history.ts";
import type { FinalTurn } from "../history/sights.ts";
import { Case, type Judge } from "./judge.ts";

/**
 * A turn ends for another's sake only where that one asked for it, and the transcript says what became of its
 * words: they stand there once, unless a rollback took them back.
 */
export const endsAskedFor: Judge = (history) => {
  const about = new Case(
    "G5",
    "turns that ended for another's sake, and whose words are accounted for",
  );
  const said = wordsOf(history);
  const turns = history.values("finalTurn");
  for (const lane of groupBy(turns, ({ tenant, key }) => `${tenant} ${key}`).values()) {
    const byId = new Map(lane.map((turn) => [turn.turnId, turn]));
    for (const turn of lane) {
      const words = said.get(turn.turnId);
      if (turn.state === "INTERRUPTED") judgeInterrupted(about, turn, lane, words);
      if (turn.state === "COALESCED") judgeJoined(about, turn, byId.get(turn.intoTurnId), words);
    }
  }
  return about.verdict;
};

/** How often what a turn said stands in the transcript of its key; of those whose words are known. */
function wordsOf(history: History): ReadonlyMap<string, number> {
  const told = groupBy(
    history.values("finalMessage").filter(({ role }) => role === "user"),
    ({ tenant, text }) => `${tenant} ${beginOf(text)}`,
  );
  const counts = new Map<string, number>();
  for (const { ask, answer } of history.answered("turn")) {
    const all = told.get(`${ask.tenant} ${beginOf(ask.text)}`) ?? [];
    counts.set(answer.turnId, all.filter(({ text }) => text.startsWith(ask.text)).length);
  }
  return counts;
}

/** A text is told apart by its first words. */
function beginOf(text: string): string {
  return text.split(" ", 2).join(" ");
}

function judgeInterrupted(
  about: Case,
  turn: FinalTurn,
  lane: readonly FinalTurn[],
  words: number | undefined,
): void {
  const later = lane.filter(({ laneSeq }) => laneSeq > turn.laneSeq);
  const isAskedFor = (kind: string) => later.some(({ onConflict }) => onConflict === kind);
  const name = `${turn.turnId} is INTERRUPTED`;
  if (!isAskedFor("INTERRUPT") && !isAskedFor("ROLLBACK")) {
    about.find(turn.key, 0, `${name}, and nothing that came after it asked for that`);
  } else if (words === 0 && !isAskedFor("ROLLBACK")) {
    about.find(turn.key, 0, `${name}, and its words are gone, which nobody took back`);
  } else if (words === 1 && !isAskedFor("INTERRUPT")) {
    about.find(turn.key, 0, `${name} by rollbacks alone, and its words stand in the transcript`);
  } else if (words !== undefined && words > 1) {
    about.find(turn.key, 0, `${name}, and its words stand in the transcript ${words} times`);
  } else about.count();
}

const JOINING = new Set(["COALESCE", "STEER"]);

function judgeJoined(
  about: Case,
  turn: FinalTurn,
  host: FinalTurn | undefined,
  words: number | undefined,
): void {
  const name = `${turn.turnId} is COALESCED`;
  if (host === undefined) {
    about.find(turn.key, 0, `${name} into ${turn.intoTurnId || "none"}, which is not in its lane`);
  } else if (!JOINING.has(turn.onConflict)) {
    about.find(turn.key, 0, `${name}, and asked to ${turn.onConflict}`);
  } else if (turn.onConflict === "STEER" && host.state !== "COMPLETED") {
    about.find(turn.key, 0, `${name} into ${host.turnId}, which is ${host.state}`);
  } else if (host.state === "COMPLETED" && words !== undefined && words !== 1) {
    about.find(turn.key, 0, `${name}, and its words stand in the transcript ${words} times`);
  } else about.count();
}
