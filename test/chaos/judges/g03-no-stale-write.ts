import { groupBy, type History, type Op } from "../history/history.ts";
import { Case, type Judge } from "./judge.ts";

/** A write whose right had ended before it was asked changes nothing, is told so, and is journalled. */
export const noStaleWrite: Judge = (history) => {
  const about = new Case("G3", "writes that were made after their run's right had ended");
  const ends = rightsEnded(history);
  for (const ops of groupBy(history.calls("write"), ({ ask }) => ask.run).values()) {
    judgeRun(about, ops, ends);
  }
  judgeJournal(history, about);
  return about.verdict;
};

/** When a run's right had ended at the latest: the end of the call that ended it. */
function rightsEnded(history: History): ReadonlyMap<string, number> {
  const ends = new Map<string, number>();
  const ended = (run: string, at: number) => {
    if (run !== "") ends.set(run, Math.min(ends.get(run) ?? Infinity, at));
  };
  for (const { answer, end } of history.answered("rotate")) ended(answer.endedRun, end);
  for (const { answer, end } of history.answered("begin")) ended(answer.takenOver, end);
  return ends;
}

function judgeRun(about: Case, ops: readonly Op<"write">[], ends: ReadonlyMap<string, number>) {
  const tried = new Map<string, number>();
  for (const op of ops) {
    const { ask, start, outcome } = op;
    const content = `${ask.seq} ${ask.event} ${ask.says}`;
    const isRepeat = (tried.get(content) ?? Infinity) < start;
    tried.set(content, Math.min(tried.get(content) ?? Infinity, start));
    if (start <= (ends.get(ask.run) ?? Infinity) || isRepeat) continue;
    if (outcome === "fail") about.count();
    if (outcome !== "ok" || op.answer?.applied === false) continue;
    about.find(
      ask.key,
      op.end,
      `${ask.event} of run ${ask.run} was accepted after its right had ended`,
    );
  }
}

const STALE = new Set(["STALE_GENERATION", "TAKEN_OVER"]);

function judgeJournal(history: History, about: Case): void {
  const entries = history.values("finalJournal");
  if (entries.length === 0) return;
  const refused = new Set(
    entries.filter(({ accepted }) => !accepted).map((one) => `${one.shownRun} ${one.reason}`),
  );
  const keys = new Set(entries.map(({ tenant, key }) => `${tenant} ${key}`));
  for (const { ask, refused: told, end } of history.calls("write")) {
    if (told === undefined || !STALE.has(told.reason)) continue;
    if (told.current === undefined) {
      about.find(ask.key, end, `${told.reason} was told without the fence that is current`);
    }
    if (!keys.has(`${ask.tenant} ${ask.key}`) || refused.has(`${ask.run} ${told.reason}`)) continue;
    about.find(ask.key, end, `${told.reason} of run ${ask.run} is not in the journal`);
  }
}
