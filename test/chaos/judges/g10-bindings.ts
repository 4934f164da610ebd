import { groupBy } from "../history/history.ts";
import { Case, type Judge } from "./judge.ts";

/** A name, once seen, keeps its binding for ever. */
export const bindings: Judge = (history) => {
  const about = new Case("G10", "names that were asked for again");
  const told = history.answered("resolve");
  for (const [name, ops] of groupBy(told, ({ ask }) => `${ask.tenant} ${ask.name}`)) {
    if (ops.length < 2) continue;
    about.count();
    const [first] = ops;
    const other = ops.find(({ answer }) => answer.key !== first?.answer.key);
    if (other === undefined || first === undefined) continue;
    const what = `${name} was bound to ${first.answer.key}, then to ${other.answer.key}`;
    about.find(first.answer.key, other.end, what);
  }
  return about.verdict;
};
