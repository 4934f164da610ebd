import { groupBy, type History } from "../history/history.ts";
import type { FinalTurn } from "../history/sights.ts";
import { Case, type Judge } from "./judge.ts";
import { noncesOf } from "./nonce.ts";

/**
 * Turns of a lane start in lane order, one at a time, by the intervals in which their models worked: of
 * the runs whose reply was committed, since one that was taken over may still ask in vain. The order is that of
 * acceptance among persons, and among the system's; persons go before the system, also before a turn of it that
 * was given back to the queue. A lane is that of a canonical key, by whatever name it was reached.
 */
export const laneOrder: Judge = (history) => {
  const about = new Case("G6", "committed turns that followed another one in their lane");
  const spans = modelSpans(history);
  const turns = history.values("finalTurn").filter(({ state }) => state === "COMPLETED");
  for (const [name, lane] of groupBy(turns, ({ tenant, key }) => `${tenant} ${key}`)) {
    const worked = lane.flatMap((turn) => withSpan(turn, spans));
    judgeLane(about, worked);
    if (lane.some(({ key }) => !key.startsWith("agent:"))) {
      about.find(name, 0, `the lane ${name} has no canonical key`);
    }
  }
  judgeNames(history, about);
  return about.verdict;
};

interface Worked {
  readonly turn: FinalTurn;
  readonly start: number;
  readonly end: number;
}

function modelSpans(history: History): ReadonlyMap<string, { start: number; end: number }> {
  const spans = new Map<string, { start: number; end: number }>();
  for (const { at, value } of history.seen("asked")) spans.set(value.nonce, { start: at, end: at });
  for (const { at, value } of history.seen("answered")) {
    const span = spans.get(value.nonce);
    if (span !== undefined) span.end = at;
  }
  return spans;
}

function withSpan(turn: FinalTurn, spans: ReturnType<typeof modelSpans>): Worked[] {
  const nonces = noncesOf(turn.reply);
  const first = spans.get(nonces[0] ?? "");
  const last = spans.get(nonces.at(-1) ?? "");
  return first === undefined || last === undefined
    ? []
    : [{ turn, start: first.start, end: last.end }];
}

/** They go to the front: before those that were accepted earlier, and never behind what came later. */
const FRONT = new Set(["INTERRUPT", "ROLLBACK"]);

function judgeLane(about: Case, worked: readonly Worked[]): void {
  const order = [...worked].sort((a, b) => a.start - b.start);
  const lastOfClass = new Map<string, Worked>();
  for (const [index, later] of order.entries()) {
    const earlier = order[index - 1];
    const { turnClass, onConflict } = later.turn;
    const before = lastOfClass.get(turnClass);
    if (!FRONT.has(onConflict)) lastOfClass.set(turnClass, later);
    if (earlier === undefined) continue;
    about.count();
    const names = `${earlier.turn.turnId} and ${later.turn.turnId}`;
    if (later.start < earlier.end) about.find(later.turn.key, later.start, `${names} ran at once`);
    if (before === undefined || later.turn.laneSeq > before.turn.laneSeq) continue;
    const pair = `${before.turn.turnId} and ${later.turn.turnId}`;
    about.find(later.turn.key, later.start, `${pair} were served against the lane's order`);
  }
}

/** Two spellings of one name lead to one lane. */
function judgeNames(history: History, about: Case): void {
  const keys = new Map<string, string>();
  for (const { ask, answer } of history.answered("normalize")) {
    keys.set(`${ask.tenant} ${ask.name}`, answer.key);
  }
  for (const { ask, answer, end } of history.answered("turn")) {
    const expected = keys.get(`${ask.tenant} ${ask.name}`);
    if (expected === undefined || answer.key === expected) continue;
    about.find(expected, end, `a turn for ${ask.name} went into the lane of ${answer.key}`);
  }
}
