import { groupBy } from "../history/history.ts";
import { Case, type Judge } from "./judge.ts";

/** Normalization is deterministic at every door, idempotent on its output, and injective. */
export const keys: Judge = (history) => {
  const about = new Case("G9", "names that were normalized");
  const all = history.answered("normalize");
  for (const [name, ops] of groupBy(all, ({ ask }) => `${ask.tenant} ${ask.name}`)) {
    about.count();
    const found = [...new Set(ops.map(({ answer }) => answer.key))];
    if (found.length > 1)
      about.find(found[0] ?? "", ops[1]?.end ?? 0, `${name} is ${found.join(" and ")}`);
  }
  for (const { ask, answer, end } of all) {
    if (answer.again === answer.key) continue;
    about.find(answer.key, end, `${ask.name} gives ${answer.key}, which gives ${answer.again}`);
  }
  for (const [alike, ops] of groupBy(all, ({ ask }) => `${ask.tenant} ${ask.alike}`)) {
    const found = [...new Set(ops.map(({ answer }) => answer.key))];
    if (found.length > 1) {
      about.find(
        found[0] ?? "",
        ops[0]?.end ?? 0,
        `spellings of ${alike} give ${found.join(" and ")}`,
      );
    }
  }
  for (const [key, ops] of groupBy(all, ({ ask, answer }) => `${ask.tenant} ${answer.key}`)) {
    const meant = [...new Set(ops.map(({ ask }) => ask.alike))];
    if (meant.length > 1)
      about.find(key, ops[0]?.end ?? 0, `${key} stands for ${meant.join(" and ")}`);
  }
  return about.verdict;
};
