import { groupBy, type History, type Op } from "../history/history.ts";
import { Case, type Judge } from "./judge.ts";
import { standings } from "./standings.ts";

/** For one key and generation at most one session id; an id never stands twice; racers agree. */
export const oneIdentity: Judge = (history) => {
  const about = new Case("G1", "first contacts that several clients raced for");
  const told = [...standings(history), ...final(history)];
  for (const [name, all] of groupBy(told, (one) => `${one.tenant} ${one.key} ${one.generation}`)) {
    const ids = [...new Set(all.map(({ sessionId }) => sessionId).filter((id) => id !== ""))];
    if (ids.length < 2) continue;
    const other = all.find(({ sessionId }) => sessionId === ids[1]);
    about.find(all[0]?.key ?? "", other?.end ?? 0, `${name} has the session ids ${ids.join(", ")}`);
  }
  const withId = told.filter(({ sessionId }) => sessionId !== "");
  for (const [id, all] of groupBy(withId, ({ sessionId }) => sessionId)) {
    const places = [...new Set(all.map((one) => `${one.tenant} ${one.key} ${one.generation}`))];
    if (places.length < 2) continue;
    about.find(all[0]?.key ?? "", all[1]?.end ?? 0, `${id} stands at ${places.join(" and at ")}`);
  }
  judgeRacers(history, about);
  return about.verdict;
};

interface Stood {
  readonly tenant: string;
  readonly key: string;
  readonly generation: number;
  readonly sessionId: string;
  readonly end: number;
}

function final(history: History): Stood[] {
  return history.seen("finalGeneration").map(({ at, value }) => ({ ...value, end: at }));
}

/** Too much at once is no answer about the name. */
const OVERLOADED = new Set(["RATE_LIMITED", "QUOTA", "DRAINING", "STORE_UNAVAILABLE"]);

function judgeRacers(history: History, about: Case): void {
  const names = groupBy(history.calls("resolve"), ({ ask }) => `${ask.tenant} ${ask.name}`);
  for (const [name, ops] of names) {
    const first = Math.min(...ops.map(({ end }) => end));
    const racers = ops.filter(({ start }) => start <= first);
    if (racers.length > 1) about.count();
    for (const op of racers.filter(isLoser)) {
      about.find("", op.start, `a racer for ${name} was refused: ${op.refused?.reason}`);
    }
  }
}

function isLoser({ outcome, refused }: Op<"resolve">): boolean {
  return outcome === "fail" && !OVERLOADED.has(refused?.reason ?? "");
}
