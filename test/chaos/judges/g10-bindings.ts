import { groupBy, type History } from "../history/history.ts";
import { Case, type Judge } from "./judge.ts";

/** A name, once seen, keeps its binding for ever, whether it is resolved or a turn is asked for under it. */
export const bindings: Judge = (history) => {
  const about = new Case("G10", "names that were asked for again");
  for (const [name, all] of groupBy(boundNames(history), ({ name: of }) => of)) {
    if (all.length < 2) continue;
    about.count();
    const [first] = all;
    const other = all.find(({ key }) => key !== first?.key);
    if (other === undefined || first === undefined) continue;
    about.find(first.key, other.end, `${name} was bound to ${first.key}, then to ${other.key}`);
  }
  return about.verdict;
};

function boundNames(history: History) {
  const told = [...history.answered("resolve"), ...history.answered("turn")];
  return told
    .map(({ ask, answer, end }) => ({ name: `${ask.tenant} ${ask.name}`, key: answer.key, end }))
    .sort((a, b) => a.end - b.end);
}
