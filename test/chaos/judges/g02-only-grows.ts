import { groupBy, type History } from "../history/history.ts";
import { Case, type Judge } from "./judge.ts";
import { standings, type ToldStanding } from "./standings.ts";

/** Generation and epoch only grow, in real time; a run id that began never begins again. */
export const onlyGrows: Judge = (history) => {
  const about = new Case(
    "G2",
    "answers compared with one that was told before they were asked for",
  );
  const fresh = standings(history).filter(({ isFresh }) => isFresh);
  const last = history.seen("finalSession").map(({ at, value }) => {
    return { ...value, start: at, end: at, how: "final read", isFresh: true };
  });
  for (const told of groupBy([...fresh, ...last], (one) => `${one.tenant} ${one.key}`).values()) {
    judgeNumber(about, told, "generation", ({ generation }) => generation);
    judgeNumber(about, told, "run_epoch", ({ epoch }) => epoch);
  }
  judgeEpochs(history, about);
  return about.verdict;
};

function judgeNumber(
  about: Case,
  told: readonly ToldStanding[],
  name: string,
  of: (one: ToldStanding) => number | undefined,
): void {
  const ends = told.filter((one) => of(one) !== undefined).sort((a, b) => a.end - b.end);
  const starts = [...ends].sort((a, b) => a.start - b.start);
  let highest: ToldStanding | undefined;
  let next = 0;
  for (const one of starts) {
    for (let ended = ends[next]; ended !== undefined && ended.end < one.start; ended = ends[++next])
      if (highest === undefined || (of(ended) ?? 0) > (of(highest) ?? 0)) highest = ended;
    if (highest === undefined) continue;
    about.count();
    if ((of(one) ?? 0) >= (of(highest) ?? 0)) continue;
    about.find(
      one.key,
      one.end,
      `${name} fell: ${highest.how} told ${of(highest)}, a later ${one.how} ${of(one)}`,
    );
  }
}

function judgeEpochs(history: History, about: Case): void {
  const begun = history.answered("begin");
  for (const ops of groupBy(begun, ({ ask }) => `${ask.tenant} ${ask.key}`).values()) {
    for (const [epoch, same] of groupBy(ops, ({ answer }) => String(answer.epoch))) {
      const runs = [...new Set(same.map(({ ask }) => ask.run))];
      if (runs.length < 2) continue;
      about.find(
        same[0]?.ask.key ?? "",
        same[1]?.end ?? 0,
        `run_epoch ${epoch} was given to the runs ${runs.join(" and ")}`,
      );
    }
  }
  for (const [run, ops] of groupBy(begun, ({ ask }) => ask.run)) {
    const fences = new Set(ops.map(({ answer }) => `${answer.generation}/${answer.epoch}`));
    if (fences.size < 2) continue;
    const fenceTexts = [...fences].join(" and ");
    about.find(ops[0]?.ask.key ?? "", ops[1]?.end ?? 0, `run ${run} began as ${fenceTexts}`);
  }
  judgeRunsOfTurns(history, about);
}

/** What the runner took, by its own record. */
function judgeRunsOfTurns(history: History, about: Case): void {
  const runs = history
    .seen("finalTurn")
    .flatMap(({ at, value }) => value.runs.map((run) => ({ at, turn: value, ...run })))
    .filter(({ epoch, turn }) => epoch > 0 && turn.key !== "");
  for (const [name, same] of groupBy(
    runs,
    (one) => `${one.turn.key} ${one.epoch} ${one.turn.tenant}`,
  )) {
    about.count();
    const ids = [...new Set(same.map(({ run }) => run))];
    if (ids.length > 1) {
      const [key = ""] = name.split(" ");
      about.find(
        key,
        same[0]?.at ?? 0,
        `run_epoch ${same[0]?.epoch} was given to ${ids.join(" and ")}`,
      );
    }
  }
}
