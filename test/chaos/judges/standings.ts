import type { History } from "../history/history.ts";

/** Somebody was told who stands under a key. */
export interface ToldStanding {
  readonly tenant: string;
  readonly key: string;
  readonly generation: number;
  readonly sessionId: string;
  /** Undefined where the answer does not tell it. */
  readonly epoch: number | undefined;
  readonly start: number;
  readonly end: number;
  readonly how: string;
  /** A recorded answer may be old; a fresh one is of its time. */
  readonly isFresh: boolean;
}

/** Everything that the clients were told, and what stood at the end. */
export function standings(history: History): ToldStanding[] {
  return [...resolved(history), ...rotated(history), ...begun(history), ...turns(history)];
}

function resolved(history: History): ToldStanding[] {
  return history.answered("resolve").map(({ ask, answer, start, end }) => {
    return { tenant: ask.tenant, ...answer, start, end, how: "resolve", isFresh: true };
  });
}

function rotated(history: History): ToldStanding[] {
  return history.answered("rotate").map(({ ask, answer, start, end }) => {
    const { tenant, key } = ask;
    const { generation, sessionId } = answer;
    const told = { tenant, key, generation, sessionId, epoch: undefined };
    const isFresh = askedOnce(history, "rotate", ask.request);
    return { ...told, start, end, how: "rotate", isFresh };
  });
}

function begun(history: History): ToldStanding[] {
  return history.answered("begin").map(({ ask, answer, start, end }) => {
    const { tenant, key } = ask;
    const { generation, sessionId, epoch } = answer;
    const isFresh = askedOnce(history, "begin", ask.run);
    return { tenant, key, generation, sessionId, epoch, start, end, how: "begin", isFresh };
  });
}

/** The receipt of a turn tells the session that served it, which may be gone when it is read. */
function turns(history: History): ToldStanding[] {
  return history.answered("turn").map(({ ask, answer, start, end }) => {
    const { key, generation, sessionId } = answer;
    const told = { tenant: ask.tenant, key, generation, sessionId, epoch: undefined };
    return { ...told, start, end, how: "turn", isFresh: false };
  });
}

const counts = new WeakMap<History, Map<string, number>>();

/** Whether no other call has this id: then its answer is no record of an earlier one. */
function askedOnce(history: History, f: "rotate" | "begin", id: string): boolean {
  const known = counts.get(history) ?? countIds(history);
  counts.set(history, known);
  return known.get(`${f} ${id}`) === 1;
}

function countIds(history: History): Map<string, number> {
  const found = new Map<string, number>();
  const add = (id: string) => found.set(id, (found.get(id) ?? 0) + 1);
  for (const { ask } of history.calls("rotate")) add(`rotate ${ask.request}`);
  for (const { ask } of history.calls("begin")) add(`begin ${ask.run}`);
  return found;
}
